# Guides, installed where documentation goes.
dist_doc_DATA += doc/KEY-STORES
