# sources of lib/conf
