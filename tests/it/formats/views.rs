//! Every view of every kind of title.
