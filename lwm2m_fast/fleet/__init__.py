"""What operators configure: access tokens; later devices, credentials, profiles."""
