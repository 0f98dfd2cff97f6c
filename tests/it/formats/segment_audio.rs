//! Audio that browsers play in files and not in segments (kind K8).
