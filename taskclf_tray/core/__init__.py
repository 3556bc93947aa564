"""What every room shares: labels, time, hashing, schemas, defaults, errors, model and policy files."""
