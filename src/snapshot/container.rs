//! Defines the container that a run is in, as its signs tell.

/// A container around a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The program that made it, as a sign names it: `podman`, `lxc`. None: no sign names it.
    pub engine: Option<String>,
    /// The name of its first program. None: the first program that can be seen here is not that of the container.
    pub first_program: Option<String>,
    /// The owner of the network namespace.
    pub network: Network,
    /// Whether a run in it can load a module: it may, and it has the modules of the running kernel.
    pub loads_modules: bool,
}

/// The owner of a container's network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The container: it has a network of its own.
    Own,
    /// The machine: its settings are those of the machine.
    Machine,
}
