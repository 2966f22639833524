"""What stands between two services: deadlines, retries, breakers, identity, health, all read from the contract's policy options."""
