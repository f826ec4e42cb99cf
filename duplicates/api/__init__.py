"""The API: thin doors to the services for programs. What one may do and what it does is decided there."""
