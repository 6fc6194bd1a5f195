system {
    host-name gw1
    conntrack {
        table-size "262144"
        timeout {
            tcp {
                close-wait 240
            }
        }
    }
}
