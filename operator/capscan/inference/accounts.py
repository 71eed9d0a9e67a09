"""All the accounts of this process, one for each InferenceProvider, found by name."""


