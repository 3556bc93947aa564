"""The live record: buckets as they are finalised, and the files written from them."""
