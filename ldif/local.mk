# Schema, rights, indexes and a sample for key stores in a directory.
LDIF_FILES = ldif/signpost.schema ldif/signpost.ldif ldif/acl.ldif ldif/admin.ldif ldif/identity.ldif ldif/indexes.ldif ldif/lifecycle.ldif ldif/providers.ldif ldif/quotas.ldif ldif/sample.ldif ldif/README
ldifdir = $(datadir)/signpost/ldif
dist_ldif_DATA = $(LDIF_FILES)
