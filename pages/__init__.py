"""The dashboard's pages: widgets in, one core call, charts out."""
