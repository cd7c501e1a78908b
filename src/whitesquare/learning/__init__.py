"""Networks and what they do: recipes, training, features, and the measures of a trained model."""
