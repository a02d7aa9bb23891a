//! The checks of `linkerd check`, without the printing.
