"""What the record says of a day: time totals, habits, and how sure the model was."""
