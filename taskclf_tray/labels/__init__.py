"""The person's labels: label spans, undo, the queue of requests, and when to ask."""
