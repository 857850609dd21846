"""Image pairs with opinion scores: where they come from and how they reach a training step."""
