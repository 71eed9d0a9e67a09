"""What a CustomResourceDefinition says: parsed, walked, and shortened to a digest."""
