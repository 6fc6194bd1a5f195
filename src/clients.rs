//! The front doors of the clients that hand over more than arguments: Ansible and DSC.

pub mod ansible;
pub mod dsc;
