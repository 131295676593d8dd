# sources of lib/dkim
