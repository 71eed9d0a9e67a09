"""One look at a provider: what speaks against it, as far as that costs nothing."""

from capscan.core.errors import InferenceError, ProviderUnusable
from capscan.core.kube_errors import KubeError
from capscan.inference.accounts.account import Account
from capscan.model import ProviderSpec


async def found_by_look(
    account: Account, spec: ProviderSpec, around: str | ProviderUnusable
) -> ProviderUnusable | InferenceError | None:
    """Let the account obey the spec, and return what speaks against the provider; None where
    nothing does. `around` is what was found of the other providers.
    """
    await account.configure(spec)
    if isinstance(around, ProviderUnusable):
        return around
    try:
        await account.verify()
    except (ProviderUnusable, InferenceError) as error:
        return error
    except KubeError as error:
        return ProviderUnusable("ApiServerError", f"Its key cannot be read: {error}")
    return None
