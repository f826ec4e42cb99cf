"""Made-up requests to the API."""
