"""Parts of the integration tests: MTAs, a milter client, a sink, verifiers. No network beyond loopback."""
