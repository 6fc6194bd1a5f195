//! Lists the modules that bring connection tracking with them in a kernel of today, for machines without an installed
//! kernel.

/// The file of the module's parameter that sets the number of buckets.
pub const HASHSIZE: &str = "/sys/module/nf_conntrack/parameters/hashsize";

/// The module of connection tracking.
pub const CONNTRACK: &str = "nf_conntrack";

/// The module that puts fragments of IPv6 together. Connection tracking needs it, and so do rules for transparent proxies,
/// which load it without connection tracking (`net/ipv6/netfilter/nf_conntrack_reasm.c`).
pub const REASSEMBLY: &str = "nf_defrag_ipv6";

/// The modules that connection tracking needs itself.
pub const NEEDED: &str = "nf_defrag_ipv6.ko nf_defrag_ipv4.ko";

/// The modules that need connection tracking, as the modules.dep of Linux 6.12 in Debian 13 has them.
///
/// nf_conntrack_ipv4 and nf_conntrack_ipv6 are not among them: no kernel since 4.19 has these.
pub const BRINGS_CONNTRACK: &[&str] = &[
    "act_connmark",
    "act_ct",
    "act_ctinfo",
    "ip6t_SYNPROXY",
    "ip6table_nat",
    "ip_vs",
    "ip_vs_dh",
    "ip_vs_fo",
    "ip_vs_ftp",
    "ip_vs_lblc",
    "ip_vs_lblcr",
    "ip_vs_lc",
    "ip_vs_mh",
    "ip_vs_nq",
    "ip_vs_ovf",
    "ip_vs_pe_sip",
    "ip_vs_rr",
    "ip_vs_sed",
    "ip_vs_sh",
    "ip_vs_twos",
    "ip_vs_wlc",
    "ip_vs_wrr",
    "ipt_SYNPROXY",
    "iptable_nat",
    "nf_conncount",
    "nf_conntrack_amanda",
    "nf_conntrack_bridge",
    "nf_conntrack_broadcast",
    "nf_conntrack_ftp",
    "nf_conntrack_h323",
    "nf_conntrack_irc",
    "nf_conntrack_netbios_ns",
    "nf_conntrack_netlink",
    "nf_conntrack_pptp",
    "nf_conntrack_sane",
    "nf_conntrack_sip",
    "nf_conntrack_snmp",
    "nf_conntrack_tftp",
    "nf_flow_table",
    "nf_flow_table_inet",
    "nf_nat",
    "nf_nat_amanda",
    "nf_nat_ftp",
    "nf_nat_h323",
    "nf_nat_irc",
    "nf_nat_pptp",
    "nf_nat_sip",
    "nf_nat_snmp_basic",
    "nf_nat_tftp",
    "nf_synproxy_core",
    "nfnetlink_cthelper",
    "nfnetlink_cttimeout",
    "nft_chain_nat",
    "nft_connlimit",
    "nft_ct",
    "nft_flow_offload",
    "nft_masq",
    "nft_nat",
    "nft_redir",
    "nft_synproxy",
    "openvswitch",
    "vport-geneve",
    "vport-gre",
    "vport-vxlan",
    "xt_CONNSECMARK",
    "xt_CT",
    "xt_MASQUERADE",
    "xt_NETMAP",
    "xt_REDIRECT",
    "xt_cluster",
    "xt_connbytes",
    "xt_connlabel",
    "xt_connlimit",
    "xt_connmark",
    "xt_conntrack",
    "xt_helper",
    "xt_ipvs",
    "xt_nat",
    "xt_state",
];

/// The aliases of these modules that people name, as modules.alias has them.
pub const ALIASES: &str = "\
alias ip6t_CONNMARK xt_connmark\n\
alias ip6t_CONNSECMARK xt_CONNSECMARK\n\
alias ip6t_CT xt_CT\n\
alias ip6t_DNAT xt_nat\n\
alias ip6t_MASQUERADE xt_MASQUERADE\n\
alias ip6t_NETMAP xt_NETMAP\n\
alias ip6t_NOTRACK xt_CT\n\
alias ip6t_REDIRECT xt_REDIRECT\n\
alias ip6t_SNAT xt_nat\n\
alias ip6t_cluster xt_cluster\n\
alias ip6t_connbytes xt_connbytes\n\
alias ip6t_connlabel xt_connlabel\n\
alias ip6t_connlimit xt_connlimit\n\
alias ip6t_connmark xt_connmark\n\
alias ip6t_conntrack xt_conntrack\n\
alias ip6t_helper xt_helper\n\
alias ip6t_ipvs xt_ipvs\n\
alias ip6t_state xt_state\n\
alias ip_conntrack nf_conntrack\n\
alias ip_conntrack_amanda nf_conntrack_amanda\n\
alias ip_conntrack_ftp nf_conntrack_ftp\n\
alias ip_conntrack_h323 nf_conntrack_h323\n\
alias ip_conntrack_irc nf_conntrack_irc\n\
alias ip_conntrack_netbios_ns nf_conntrack_netbios_ns\n\
alias ip_conntrack_netlink nf_conntrack_netlink\n\
alias ip_conntrack_pptp nf_conntrack_pptp\n\
alias ip_conntrack_sip nf_conntrack_sip\n\
alias ip_conntrack_tftp nf_conntrack_tftp\n\
alias ip_nat_amanda nf_nat_amanda\n\
alias ip_nat_ftp nf_nat_ftp\n\
alias ip_nat_h323 nf_nat_h323\n\
alias ip_nat_irc nf_nat_irc\n\
alias ip_nat_pptp nf_nat_pptp\n\
alias ip_nat_sip nf_nat_sip\n\
alias ip_nat_snmp_basic nf_nat_snmp_basic\n\
alias ip_nat_tftp nf_nat_tftp\n\
alias ipt_CONNMARK xt_connmark\n\
alias ipt_CONNSECMARK xt_CONNSECMARK\n\
alias ipt_CT xt_CT\n\
alias ipt_DNAT xt_nat\n\
alias ipt_MASQUERADE xt_MASQUERADE\n\
alias ipt_NETMAP xt_NETMAP\n\
alias ipt_NOTRACK xt_CT\n\
alias ipt_REDIRECT xt_REDIRECT\n\
alias ipt_SNAT xt_nat\n\
alias ipt_cluster xt_cluster\n\
alias ipt_connbytes xt_connbytes\n\
alias ipt_connlabel xt_connlabel\n\
alias ipt_connlimit xt_connlimit\n\
alias ipt_connmark xt_connmark\n\
alias ipt_conntrack xt_conntrack\n\
alias ipt_helper xt_helper\n\
alias ipt_ipvs xt_ipvs\n\
alias ipt_state xt_state\n\
alias nf_conntrack_10 nf_conntrack\n\
alias nf_conntrack_2 nf_conntrack\n\
alias nf_conntrack_7 nf_conntrack_bridge\n";
