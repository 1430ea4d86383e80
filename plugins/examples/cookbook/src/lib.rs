#![doc = include_str!("../../../../docs/plugins/cookbook.md")]
