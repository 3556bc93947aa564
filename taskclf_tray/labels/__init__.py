"""What the person said their time was: label spans, undo, the queue of questions, and when to ask."""
