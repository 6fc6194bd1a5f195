# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_conntrack_sysctl_global_optspecs
    string join \n h/help V/version
end

function __fish_conntrack_sysctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_conntrack_sysctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_conntrack_sysctl_using_subcommand
    set -l cmd (__fish_conntrack_sysctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -s h -l help -d 'Print help'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -s V -l version -d 'Print version'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "apply" -d 'Make the machine match the request'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "check" -d 'Report what differs, and what apply would change'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "show" -d 'List all conntrack settings: the live value, the value after the next boot, and the line that decides'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "verify" -d 'After a boot, compare the machine with the prediction of the last apply'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "summarize" -d 'Summarize the reports of many hosts'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "schema" -d 'Print the JSON Schema of the request or of the report'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "status" -d 'Show how full the table is, and how many packets were dropped'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "diagnose" -d 'Show what fills the table and why packets are dropped, and propose settings'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "collect" -d 'Save everything that a diagnosis of this machine needs: the table, its sysctls, counters and log, and a list of files that could not be read'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "watch" -d 'Watch the table: a live view on a terminal, otherwise one JSON line for each reading'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "explain" -d 'Show every line that assigns one setting, in boot order, and the line that wins'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand apply" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'
diff\t'Text for people, with the changed lines of each file'
junit\t'JUnit XML: each setting is a test'
tap\t'TAP 13, the Test Anything Protocol: each setting is a test'
sarif\t'SARIF 2.1.0, for code scanners'
github\t'Annotations of GitHub Actions'
prometheus\t'Metrics for the textfile collector of node_exporter'
salt\t'The result of a Salt state, without its name'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand apply" -l root -d 'The directory of an image or a chroot; its files are used, and not the live kernel unless a request says `live`: true' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand apply" -l diff -d 'Also show the changed lines of each file; short for --output diff'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand apply" -s q -l quiet -d 'For apply and check: print no report; the exit code has the result, and a failure is one line on standard error'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand check" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'
diff\t'Text for people, with the changed lines of each file'
junit\t'JUnit XML: each setting is a test'
tap\t'TAP 13, the Test Anything Protocol: each setting is a test'
sarif\t'SARIF 2.1.0, for code scanners'
github\t'Annotations of GitHub Actions'
prometheus\t'Metrics for the textfile collector of node_exporter'
salt\t'The result of a Salt state, without its name'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand check" -l root -d 'The directory of an image or a chroot; its files are used, and not the live kernel unless a request says `live`: true' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand check" -l diff -d 'Also show the changed lines of each file; short for --output diff'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand check" -s q -l quiet -d 'For apply and check: print no report; the exit code has the result, and a failure is one line on standard error'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand show" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand show" -l loader -d 'The program that reads the files at boot; auto finds it by the files' -r -f -a "auto\t''
systemd\t''
procps\t''
openrc\t''
alpine\t''
openwrt\t''
finit\t''
void\t''
chimera\t''"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand show" -l root -d 'The directory of an image or a chroot; its files are used, and not the live kernel unless a request says `live`: true' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand show" -l drift -d 'Show only settings with different values now and after the next boot, and settings whose next boot cannot be known'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand verify" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'
prometheus\t'Metrics for the textfile collector of node_exporter'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand verify" -l bundle -d 'If a setting is not as predicted, write everything that may explain it to this file' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand summarize" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'
markdown\t'Markdown'
html\t'One HTML page that loads nothing else'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand summarize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand schema" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand status" -l interval -d 'Read twice, SECONDS apart, and report the change' -r
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand status" -l warn -d 'Warn if the table is at least PERCENT full; the exit code is then that of a monitoring plugin (0 ok, 1 warning, 2 critical, 3 unknown)' -r
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand status" -l crit -d 'Critical if the table is at least PERCENT full' -r
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand status" -l log -d 'Search this saved log for messages of a full table, not the kernel\'s own log: dmesg, syslog, journalctl' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand status" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'
prometheus\t'Prometheus\' text format'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand status" -l evictable -d 'Also count the entries that a full table may remove to make room; --warn and --crit then judge only the others'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l interval -d 'How long to count; the time to read the table is included' -r
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l from -d 'Read a saved table, not the live one: what `conntrack -L` (also -o extended, xml, save), `conntrack -E`, /proc/net/nf_conntrack, or `ovs-appctl dpctl/dump-conntrack` printed; `-` for standard input' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l pid -d 'Look into the network namespace of this process, such as that of a container' -r
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l bundle -d 'Find the saved files in this directory, which `conntrack-sysctl collect` or sos made' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l limit -d 'With --from or --bundle: the limit that the table had' -r
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l sysctl -d 'With --from or --bundle: the sysctls of that machine, as `sysctl -a` printed them' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l stat -d 'With --from or --bundle: the counters of that machine, as `conntrack -S` printed them, or /proc/net/stat/nf_conntrack' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l log -d 'Search this saved log for messages of a full table, not the kernel\'s own log: dmesg, syslog, journalctl' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'
request\t'A request that `apply` takes'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -l all -d 'Read the whole table; otherwise larger tables are sampled: 16,384 random entries'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand diagnose" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand collect" -s h -l help -d 'Print help'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand watch" -l interval -d 'The time between two readings' -r
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand watch" -l count -d 'Stop after N readings' -r
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand watch" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object on each line'
text\t'Text for people'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand watch" -l new -d 'Count new entries from the kernel\'s events; the kernel then sends a message for each new entry'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand explain" -s o -l output -d 'The format of the output; the default is text on a terminal and JSON otherwise' -r -f -a "auto\t'Text on a terminal, JSON otherwise'
json\t'JSON, one object'
text\t'Text for people'"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand explain" -l loader -d 'The program that reads the files at boot; auto finds it by the files' -r -f -a "auto\t''
systemd\t''
procps\t''
openrc\t''
alpine\t''
openwrt\t''
finit\t''
void\t''
chimera\t''"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand explain" -l root -d 'The directory of an image or a chroot; its files are used, and not the live kernel unless a request says `live`: true' -r -F
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "apply" -d 'Make the machine match the request'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "check" -d 'Report what differs, and what apply would change'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "show" -d 'List all conntrack settings: the live value, the value after the next boot, and the line that decides'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "verify" -d 'After a boot, compare the machine with the prediction of the last apply'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "summarize" -d 'Summarize the reports of many hosts'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "schema" -d 'Print the JSON Schema of the request or of the report'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "status" -d 'Show how full the table is, and how many packets were dropped'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "diagnose" -d 'Show what fills the table and why packets are dropped, and propose settings'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "collect" -d 'Save everything that a diagnosis of this machine needs: the table, its sysctls, counters and log, and a list of files that could not be read'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "watch" -d 'Watch the table: a live view on a terminal, otherwise one JSON line for each reading'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "explain" -d 'Show every line that assigns one setting, in boot order, and the line that wins'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand help; and not __fish_seen_subcommand_from apply check show verify summarize schema status diagnose collect watch explain help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand schema" -f -a "request report"
complete -c conntrack-sysctl -n "__fish_conntrack_sysctl_using_subcommand explain" -f -a "nf_conntrack_acct nf_conntrack_buckets nf_conntrack_checksum nf_conntrack_count nf_conntrack_dccp_loose nf_conntrack_dccp_timeout_closereq nf_conntrack_dccp_timeout_closing nf_conntrack_dccp_timeout_open nf_conntrack_dccp_timeout_partopen nf_conntrack_dccp_timeout_request nf_conntrack_dccp_timeout_respond nf_conntrack_dccp_timeout_timewait nf_conntrack_default_on nf_conntrack_events nf_conntrack_events_retry_timeout nf_conntrack_expect_max nf_conntrack_frag6_high_thresh nf_conntrack_frag6_low_thresh nf_conntrack_frag6_timeout nf_conntrack_generic_timeout nf_conntrack_gre_timeout nf_conntrack_gre_timeout_stream nf_conntrack_helper nf_conntrack_icmp_timeout nf_conntrack_icmpv6_timeout nf_conntrack_log_invalid nf_conntrack_max nf_conntrack_sctp_timeout_closed nf_conntrack_sctp_timeout_cookie_echoed nf_conntrack_sctp_timeout_cookie_wait nf_conntrack_sctp_timeout_established nf_conntrack_sctp_timeout_heartbeat_acked nf_conntrack_sctp_timeout_heartbeat_sent nf_conntrack_sctp_timeout_shutdown_ack_sent nf_conntrack_sctp_timeout_shutdown_recd nf_conntrack_sctp_timeout_shutdown_sent nf_conntrack_tcp_be_liberal nf_conntrack_tcp_ignore_invalid_rst nf_conntrack_tcp_loose nf_conntrack_tcp_max_retrans nf_conntrack_tcp_timeout_close nf_conntrack_tcp_timeout_close_wait nf_conntrack_tcp_timeout_established nf_conntrack_tcp_timeout_fin_wait nf_conntrack_tcp_timeout_last_ack nf_conntrack_tcp_timeout_max_retrans nf_conntrack_tcp_timeout_syn_recv nf_conntrack_tcp_timeout_syn_sent nf_conntrack_tcp_timeout_time_wait nf_conntrack_tcp_timeout_unacknowledged nf_conntrack_timestamp nf_conntrack_udp_timeout nf_conntrack_udp_timeout_stream nf_conntrack_udplite_timeout nf_conntrack_udplite_timeout_stream nf_flowtable_tcp_timeout nf_flowtable_udp_timeout"
