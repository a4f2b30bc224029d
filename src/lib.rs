//! isobar: a computation graph that stays consistent across threads.
