"""What an evaluation leaves behind: JSON, CSV, tables and a page with pictures."""
