"""What of SQLAlchemy's suite applies. Everything that isn't named here, or in EXCLUDED, is run."""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

yes, no = exclusions.open, exclusions.closed


class Requirements(SuiteRequirements):
    schemas = no()  # one file, one schema: others are sidecars', and aren't made by DDL
    temp_table_reflection = no()  # TEMP tables are the writing connection's, which answers no PRAGMA
    parens_in_union_contained_select_w_limit_offset = no()  # SQLite's grammar has no parentheses there
    parens_in_union_contained_select_wo_limit_offset = no()  # the same
    order_by_col_from_union = yes()
    implicitly_named_constraints = no()  # SQLite names none that the statement does not
    ctes = yes()
    ctes_on_dml = yes()
    view_column_reflection = yes()
    reflects_pk_names = yes()
    savepoints = yes()
    window_functions = yes()
    json_type = yes()
    json_deserializer_binary = no()  # JSON comes as text
    tuple_in = yes()
    isolation_level = yes()
    autocommit = yes()
    supports_is_distinct_from = yes()
    insert_on_conflict = yes()
    computed_columns = yes()
    computed_columns_stored = yes()
    computed_columns_virtual = yes()
    computed_columns_reflect_persisted = yes()
    unicode_data_no_special_types = yes()
    precision_numerics_many_significant_digits = no()  # a REAL has 53 bits
    precision_numerics_enotation_large = no()  # the same
    datetime_timezone = no()  # SQLAlchemy's types of SQLite keep no zone

    def get_isolation_levels(self, config):
        return {"default": "SERIALIZABLE", "supported": ["SERIALIZABLE", "AUTOCOMMIT"]}
