# sources of tools
