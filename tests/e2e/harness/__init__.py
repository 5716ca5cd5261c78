"""What the end-to-end tests need around nixie: real servers, a sink, clients."""
