"""Images of one size with names and classes, read from folders, archives of arrays and Parquet files."""
