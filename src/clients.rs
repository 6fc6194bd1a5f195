//! The entry points of the clients that pass more than arguments: Ansible and DSC.

pub mod ansible;
pub mod dsc;
