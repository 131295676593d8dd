# Unit tests of admin-api.
