# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_linkerd_global_optspecs
    string join \n L/linkerd-namespace= cni-namespace= kubeconfig= context= as= as-group= api-addr= verbose color= h/help V/version
end

function __fish_linkerd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_linkerd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_linkerd_using_subcommand
    set -l cmd (__fish_linkerd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c linkerd -n "__fish_linkerd_needs_command" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_needs_command" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_needs_command" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_needs_command" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_needs_command" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_needs_command" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_needs_command" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_needs_command" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_needs_command" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_needs_command" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_needs_command" -s V -l version -d 'Print version'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "authz" -d 'List authorizations for a resource'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "certs" -d 'Make, check and list the certificates of the mesh'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "check" -d 'Check the Linkerd installation for potential problems'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "completion" -d 'Output shell completion code for the specified shell'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "doc" -d 'Output the reference of all commands and annotations as YAML'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "diagnostics" -d 'Commands used to diagnose Linkerd components'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "identity" -d 'Display the certificate(s) of one or more selected pod(s)'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "inject" -d 'Add the Linkerd proxy to a Kubernetes config'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "install" -d 'Output Kubernetes configs to install Linkerd'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "install-cni" -d 'Output Kubernetes configs to install the Linkerd CNI plugin'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "install-sp" -d 'Output Kubernetes configs to install Linkerd service profiles'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "profile" -d 'Output service profile config for Kubernetes'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "prune" -d 'Output extraneous Kubernetes resources in the linkerd control plane'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "stat" -d 'Display traffic stats about one or many resources'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "tap" -d 'Listen to a traffic stream'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "uninject" -d 'Remove the Linkerd proxy from a Kubernetes config'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "uninstall" -d 'Output Kubernetes resources to uninstall the Linkerd control plane'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "upgrade" -d 'Output Kubernetes configs to upgrade an existing Linkerd control plane'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "version" -d 'Print the client and server version information'
complete -c linkerd -n "__fish_linkerd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -s n -l namespace -d 'Namespace of the workload [default: that of the context]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -s o -l output -d 'Output format' -r -f -a "table\t'A table for people'
wide\t'The table with more columns'
json\t'JSON, indented by two'
yaml\t'YAML'"
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand authz" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -f -a "create-anchor" -d 'Make a trust anchor: a certificate that all proxies of a mesh trust, and its key'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -f -a "create-issuer" -d 'Make an issuer, signed by a trust anchor: what signs the certificates of workloads'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -f -a "check" -d 'Check certificates and keys in files'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -f -a "list" -d 'List the certificates of an installed control plane'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and not __fish_seen_subcommand_from create-anchor create-issuer check list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l not-after -d 'How long the certificate is valid (8760h), or its last second (2030-01-01T00:00:00Z)' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l identity-trust-domain -d 'Trust domain that the default name ends in' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -s f -l force -d 'Replace files that exist'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-anchor" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l ca -d 'Certificate of the trust anchor' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l ca-key -d 'Key of the trust anchor' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l not-after -d 'How long the certificate is valid (8760h), or its last second (2030-01-01T00:00:00Z)' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l identity-trust-domain -d 'Trust domain that the default name ends in' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -s f -l force -d 'Replace files that exist'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from create-issuer" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l expiring-within -d 'How soon before its end a certificate is a finding [default: 1440h, 60 days]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l issuer-name -d 'Name that the issuer has to be for, such as identity.linkerd.cluster.local' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -s o -l output -d 'Output format' -r -f -a "table\t'A table for people'
wide\t'The table with more columns'
json\t'JSON, indented by two'
yaml\t'YAML'"
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l expiring-within -d 'How soon before its end a certificate is said to expire soon [default: 1440h, 60 days]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -s o -l output -d 'Output format' -r -f -a "table\t'A table for people'
wide\t'The table with more columns'
json\t'JSON, indented by two'
yaml\t'YAML'"
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from help" -f -a "create-anchor" -d 'Make a trust anchor: a certificate that all proxies of a mesh trust, and its key'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from help" -f -a "create-issuer" -d 'Make an issuer, signed by a trust anchor: what signs the certificates of workloads'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check certificates and keys in files'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the certificates of an installed control plane'
complete -c linkerd -n "__fish_linkerd_using_subcommand certs; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -s n -l namespace -d 'Namespace whose data plane is checked (default: all)' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l expected-version -d 'Version that everything should have' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l cli-version-override -d 'Version to take for this command\'s own' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -s o -l output -d 'Output format' -r -f -a "table\t'Every check, as text'
short\t'Problems only, as text'
json\t'JSON'"
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l wait -d 'How long to wait for checks that may still pass' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l pre -d 'Check only whether the control plane can be installed'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l linkerd-cni-enabled -d 'With --pre: check the CNI plugin, too'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l proxy -d 'Check the data plane, too'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -f -a "config" -d 'Check what `linkerd install config` made'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and not __fish_seen_subcommand_from config help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l expected-version -d 'Version that everything should have' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l cli-version-override -d 'Version to take for this command\'s own' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -s o -l output -d 'Output format' -r -f -a "table\t'Every check, as text'
short\t'Problems only, as text'
json\t'JSON'"
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l wait -d 'How long to wait for checks that may still pass' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from help" -f -a "config" -d 'Check what `linkerd install config` made'
complete -c linkerd -n "__fish_linkerd_using_subcommand check; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand completion" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l man -d 'Write a man page per command into this folder instead' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l markdown -d 'Print the commands as Markdown instead'
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand doc" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -f -a "proxy-metrics" -d 'Fetch metrics directly from Linkerd proxies'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -f -a "endpoints" -d 'Introspect what the control plane discovers for addresses'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -f -a "policy" -d 'Introspect the policy that the control plane gives for a port'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -f -a "profile" -d 'Introspect the profile that the control plane gives for an address'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and not __fish_seen_subcommand_from proxy-metrics endpoints policy profile help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -s n -l namespace -d 'Namespace of the workload [default: that of the context]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from proxy-metrics" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l destination-pod -d 'Destination pod to ask [default: the first that is running]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l token -d 'Context token sent along' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -s o -l output -d 'Output format' -r -f -a "table\t'A table for people'
wide\t'The table with more columns'
json\t'JSON, indented by two'
yaml\t'YAML'"
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from endpoints" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -s n -l namespace -d 'Namespace of the resource [default: that of the context]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l destination-pod -d 'Destination pod to ask [default: the first that is running]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l token -d 'Workload token sent along' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -s o -l output -d 'Output format' -r -f -a "table\t'A table for people'
wide\t'The table with more columns'
json\t'JSON, indented by two'
yaml\t'YAML'"
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from policy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l destination-pod -d 'Destination pod to ask [default: the first that is running]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l token -d 'Context token sent along' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from profile" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from help" -f -a "proxy-metrics" -d 'Fetch metrics directly from Linkerd proxies'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from help" -f -a "endpoints" -d 'Introspect what the control plane discovers for addresses'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from help" -f -a "policy" -d 'Introspect the policy that the control plane gives for a port'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from help" -f -a "profile" -d 'Introspect the profile that the control plane gives for an address'
complete -c linkerd -n "__fish_linkerd_using_subcommand diagnostics; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -s n -l namespace -d 'Namespace of the pods [default: that of the context]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -s l -l selector -d 'Label selector of the pods' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand identity" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l identity-trust-anchors-file -d 'File of trust anchors (PEM) for --manual --ignore-cluster' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l close-wait-timeout -d 'How long a half-closed connection stays in the kernel\'s table (1m30s)' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l wait-before-exit-seconds -d 'Seconds the proxy stays before it is told to stop' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l require-identity-on-inbound-ports -d 'Incoming ports that accept clients with an identity only' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l trace-collector -d 'Collector (host:port) that the proxies send spans to' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l trace-collector-svc-account -d 'ServiceAccount of that collector' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l registry -d 'Registry and path of the project\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -s v -l proxy-version -d 'Version of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l proxy-image -d 'Name of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l init-image -d 'Name of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l init-image-version -d 'Version of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l image-pull-policy -d 'When to pull the images' -r -f -a "Always\t''
IfNotPresent\t''
Never\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l inbound-port -d 'Port of redirected incoming traffic [default: 4143]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l outbound-port -d 'Port of redirected outgoing traffic [default: 4140]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l skip-inbound-ports -d 'Incoming ports and ranges that bypass the proxy: 22,6000-6100' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l skip-outbound-ports -d 'Outgoing ports and ranges that bypass the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l opaque-ports -d 'Ports whose protocol the proxy does not look at' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l proxy-uid -d 'User id of the proxy [default: 2102]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l proxy-gid -d 'Group id of the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l proxy-log-level -d 'Log level of the proxy: comma list of `level`, `module` or `module=level`' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l control-port -d 'Port of the proxy\'s tap server [default: 4190]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l admin-port -d 'Port of the proxy\'s metrics and probes [default: 4191]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l proxy-cpu-request -d 'CPU reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l proxy-cpu-limit -d 'Most CPU the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l proxy-memory-request -d 'Memory reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l proxy-memory-limit -d 'Most memory the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l default-inbound-policy -d 'What may reach ports without a policy of their own' -r -f -a "all-unauthenticated\t''
all-authenticated\t''
cluster-unauthenticated\t''
cluster-authenticated\t''
deny\t''
audit\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l native-sidecar -d 'Run the proxy as a native sidecar (an init container that keeps running)' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l manual -d 'Write the proxy\'s containers into the manifest instead of leaving them to the injector'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l ignore-cluster -d 'Do not ask the cluster for the configuration; take the defaults of install'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l enable-debug-sidecar -d 'Add a container with network tools to each pod'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l ingress -d 'Route outgoing requests by their name: for ingress controllers'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l disable-tap -d 'Refuse tap'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l disable-identity -d 'Has no effect: every proxy has an identity'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l enable-external-profiles -d 'Ask for profiles of names outside the cluster, too'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand inject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l registry -d 'Registry and path of the project\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l controller-replicas -d 'Replicas of each component [default: 1; 3 with --ha]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l controller-log-level -d 'Log level of the control plane [default: info]' -r -f -a "panic\t''
fatal\t''
error\t''
warn\t''
info\t''
debug\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l controller-uid -d 'User id of the control plane\'s processes [default: 2103]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l controller-gid -d 'Group id of the control plane\'s processes' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l enable-endpoint-slices -d 'Read endpoints from EndpointSlices [default: true]' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l prometheus-image -d 'Image of the bundled Prometheus' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l control-plane-version -d 'Version of the control plane\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l cluster-domain -d 'Domain of the cluster\'s DNS [default: cluster.local]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-trust-anchors-file -d 'File of trust anchors (PEM, one or more certificates)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-issuer-certificate-file -d 'File of the issuer\'s certificate (PEM; intermediates may follow)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-issuer-key-file -d 'File of the issuer\'s private key (PEM, ECDSA P-256)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-issuance-lifetime -d 'How long certificates of workloads last [default: 24h0m0s]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-clock-skew-allowance -d 'By how much clocks of the cluster may differ [default: 20s]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-trust-domain -d 'Suffix of all identities [default: the cluster domain]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -s v -l proxy-version -d 'Version of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l proxy-image -d 'Name of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l init-image -d 'Name of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l init-image-version -d 'Version of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l image-pull-policy -d 'When to pull the images' -r -f -a "Always\t''
IfNotPresent\t''
Never\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l inbound-port -d 'Port of redirected incoming traffic [default: 4143]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l outbound-port -d 'Port of redirected outgoing traffic [default: 4140]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l skip-inbound-ports -d 'Incoming ports and ranges that bypass the proxy: 22,6000-6100' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l skip-outbound-ports -d 'Outgoing ports and ranges that bypass the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l opaque-ports -d 'Ports whose protocol the proxy does not look at' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l proxy-uid -d 'User id of the proxy [default: 2102]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l proxy-gid -d 'Group id of the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l proxy-log-level -d 'Log level of the proxy: comma list of `level`, `module` or `module=level`' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l control-port -d 'Port of the proxy\'s tap server [default: 4190]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l admin-port -d 'Port of the proxy\'s metrics and probes [default: 4191]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l proxy-cpu-request -d 'CPU reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l proxy-cpu-limit -d 'Most CPU the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l proxy-memory-request -d 'Memory reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l proxy-memory-limit -d 'Most memory the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l default-inbound-policy -d 'What may reach ports without a policy of their own' -r -f -a "all-unauthenticated\t''
all-authenticated\t''
cluster-unauthenticated\t''
cluster-authenticated\t''
deny\t''
audit\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l native-sidecar -d 'Run the proxy as a native sidecar (an init container that keeps running)' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -s f -l values -l config -d 'File or URL of chart values (YAML); may be repeated, later ones win' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l set -d 'Set chart values, as in Helm: key1=val1,key2.sub=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l set-string -d 'Set chart values that stay strings: key1=val1,key2=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l set-file -d 'Set chart values from files: key1=path1,key2=path2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l addon-config -d 'Configuration file (YAML) of the add-ons grafana, prometheus and tracing' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l crds -d 'Print the custom resource definitions only'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l linkerd-cni-enabled -d 'Leave the redirection of traffic to the CNI plugin: pods get no init container with NET_ADMIN'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l restrict-dashboard-privileges -d 'Take from the dashboard the rights to tap and to check'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l ha -d 'Run the components in triplicate with resources, anti-affinity and disruption budgets'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l disable-h2-upgrade -d 'Do not upgrade HTTP/1 between meshed pods to HTTP/2'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l disable-heartbeat -d 'Install no heartbeat'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l omit-webhook-side-effects -d 'Leave `sideEffects` out of the webhook configurations'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l control-plane-tracing -d 'Send the control plane\'s own traces to the collector'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-external-issuer -d 'Take the issuer from the Secret linkerd-identity-issuer that somebody else maintains'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-external-ca -d 'Take the trust anchors from the ConfigMap linkerd-identity-trust-roots that somebody else maintains'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l identity-discard-anchor-key -d 'Do not keep the key of the trust anchor that install makes; the issuer is then renewed by hand'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l enable-external-profiles -d 'Ask for profiles of names outside the cluster, too'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l ignore-cluster -d 'Do not ask the cluster whether there is an install already'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -f -a "config" -d 'Output what needs the rights of a cluster administrator: namespace, RBAC, definitions, webhooks'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -f -a "control-plane" -d 'Output what the owner of the namespace installs: configuration, services, workloads'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and not __fish_seen_subcommand_from config control-plane help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l registry -d 'Registry and path of the project\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -s f -l values -l config -d 'File or URL of chart values (YAML); may be repeated, later ones win' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l set -d 'Set chart values, as in Helm: key1=val1,key2.sub=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l set-string -d 'Set chart values that stay strings: key1=val1,key2=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l set-file -d 'Set chart values from files: key1=path1,key2=path2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l addon-config -d 'Configuration file (YAML) of the add-ons grafana, prometheus and tracing' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l linkerd-cni-enabled -d 'Leave the redirection of traffic to the CNI plugin: pods get no init container with NET_ADMIN'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l restrict-dashboard-privileges -d 'Take from the dashboard the rights to tap and to check'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l ignore-cluster -d 'Do not ask the cluster whether there is an install already'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l registry -d 'Registry and path of the project\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l controller-replicas -d 'Replicas of each component [default: 1; 3 with --ha]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l controller-log-level -d 'Log level of the control plane [default: info]' -r -f -a "panic\t''
fatal\t''
error\t''
warn\t''
info\t''
debug\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l controller-uid -d 'User id of the control plane\'s processes [default: 2103]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l controller-gid -d 'Group id of the control plane\'s processes' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l enable-endpoint-slices -d 'Read endpoints from EndpointSlices [default: true]' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l prometheus-image -d 'Image of the bundled Prometheus' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l control-plane-version -d 'Version of the control plane\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l cluster-domain -d 'Domain of the cluster\'s DNS [default: cluster.local]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-trust-anchors-file -d 'File of trust anchors (PEM, one or more certificates)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-issuer-certificate-file -d 'File of the issuer\'s certificate (PEM; intermediates may follow)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-issuer-key-file -d 'File of the issuer\'s private key (PEM, ECDSA P-256)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-issuance-lifetime -d 'How long certificates of workloads last [default: 24h0m0s]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-clock-skew-allowance -d 'By how much clocks of the cluster may differ [default: 20s]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-trust-domain -d 'Suffix of all identities [default: the cluster domain]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -s v -l proxy-version -d 'Version of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l proxy-image -d 'Name of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l init-image -d 'Name of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l init-image-version -d 'Version of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l image-pull-policy -d 'When to pull the images' -r -f -a "Always\t''
IfNotPresent\t''
Never\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l inbound-port -d 'Port of redirected incoming traffic [default: 4143]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l outbound-port -d 'Port of redirected outgoing traffic [default: 4140]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l skip-inbound-ports -d 'Incoming ports and ranges that bypass the proxy: 22,6000-6100' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l skip-outbound-ports -d 'Outgoing ports and ranges that bypass the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l opaque-ports -d 'Ports whose protocol the proxy does not look at' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l proxy-uid -d 'User id of the proxy [default: 2102]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l proxy-gid -d 'Group id of the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l proxy-log-level -d 'Log level of the proxy: comma list of `level`, `module` or `module=level`' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l control-port -d 'Port of the proxy\'s tap server [default: 4190]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l admin-port -d 'Port of the proxy\'s metrics and probes [default: 4191]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l proxy-cpu-request -d 'CPU reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l proxy-cpu-limit -d 'Most CPU the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l proxy-memory-request -d 'Memory reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l proxy-memory-limit -d 'Most memory the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l default-inbound-policy -d 'What may reach ports without a policy of their own' -r -f -a "all-unauthenticated\t''
all-authenticated\t''
cluster-unauthenticated\t''
cluster-authenticated\t''
deny\t''
audit\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l native-sidecar -d 'Run the proxy as a native sidecar (an init container that keeps running)' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -s f -l values -l config -d 'File or URL of chart values (YAML); may be repeated, later ones win' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l set -d 'Set chart values, as in Helm: key1=val1,key2.sub=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l set-string -d 'Set chart values that stay strings: key1=val1,key2=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l set-file -d 'Set chart values from files: key1=path1,key2=path2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l addon-config -d 'Configuration file (YAML) of the add-ons grafana, prometheus and tracing' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l skip-checks -d 'Do not check whether the first stage is in place'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l linkerd-cni-enabled -d 'Leave the redirection of traffic to the CNI plugin: pods get no init container with NET_ADMIN'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l restrict-dashboard-privileges -d 'Take from the dashboard the rights to tap and to check'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l ha -d 'Run the components in triplicate with resources, anti-affinity and disruption budgets'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l disable-h2-upgrade -d 'Do not upgrade HTTP/1 between meshed pods to HTTP/2'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l disable-heartbeat -d 'Install no heartbeat'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l omit-webhook-side-effects -d 'Leave `sideEffects` out of the webhook configurations'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l control-plane-tracing -d 'Send the control plane\'s own traces to the collector'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-external-issuer -d 'Take the issuer from the Secret linkerd-identity-issuer that somebody else maintains'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-external-ca -d 'Take the trust anchors from the ConfigMap linkerd-identity-trust-roots that somebody else maintains'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l identity-discard-anchor-key -d 'Do not keep the key of the trust anchor that install makes; the issuer is then renewed by hand'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l enable-external-profiles -d 'Ask for profiles of names outside the cluster, too'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l ignore-cluster -d 'Do not ask the cluster whether there is an install already'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from control-plane" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from help" -f -a "config" -d 'Output what needs the rights of a cluster administrator: namespace, RBAC, definitions, webhooks'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from help" -f -a "control-plane" -d 'Output what the owner of the namespace installs: configuration, services, workloads'
complete -c linkerd -n "__fish_linkerd_using_subcommand install; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -s v -l linkerd-version -l cni-image-version -d 'Version of the plugin\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l registry -d 'Registry and path of the image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l cni-image -d 'Name of the image; beats --registry' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l proxy-uid -d 'User id of the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l proxy-gid -d 'Group id of the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l inbound-port -d 'Port of redirected incoming traffic' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l outbound-port -d 'Port of redirected outgoing traffic' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l control-port -d 'Port of the proxy\'s tap server' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l admin-port -d 'Port of the proxy\'s metrics and probes' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l skip-inbound-ports -d 'Incoming ports and ranges that bypass the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l skip-outbound-ports -d 'Outgoing ports and ranges that bypass the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l redirect-ports -d 'Redirect these incoming ports only [default: all]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l cni-log-level -d 'Log level of the plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l dest-cni-net-dir -d 'Directory of the node\'s CNI configuration' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l dest-cni-bin-dir -d 'Directory of the node\'s CNI programs' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l priority-class-name -d 'PriorityClass of the pods' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l use-wait-flag -d 'Let iptables wait for its lock'
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand install-cni" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l ignore-cluster -d 'Do not ask the cluster for the domain of its DNS'
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand install-sp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l open-api -d 'OpenAPI document (Swagger 2.0, OpenAPI 3.0 or 3.1; JSON or YAML); - reads stdin' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l proto -d 'Protobuf file (proto2 or proto3) with services; - reads stdin' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -s I -l proto-path -d 'Folder to look for imports of the protobuf file in, before its own; may be repeated' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -s n -l namespace -d 'Namespace of the service [default: that of the kubeconfig\'s context]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l format -d 'What to write' -r -f -a "serviceprofile\t'A ServiceProfile'
httproute\t'HTTPRoutes of the Gateway API'
grpcroute\t'GRPCRoutes of the Gateway API; for --proto'"
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l template -d 'Write an example with explanations'
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l ignore-cluster -d 'Do not ask the cluster for its domain; assume cluster.local'
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand profile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -s n -l namespace -d 'Namespace of the resources [default: that of the context]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l to -d 'Traffic to this resource only' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l to-namespace -d 'Namespace of --to [default: that of the resources]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l from -d 'Traffic from this resource only' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l from-namespace -d 'Namespace of --from [default: that of the resources]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -s t -l time-window -d 'How far to look back' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -s l -l selector -d 'Labels that resources must have' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -s o -l output -d 'Output format: table, wide or json' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -s A -l all-namespaces -d 'Show resources of all namespaces'
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l unmeshed -d 'Show resources without proxies, too'
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand stat" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -s n -l namespace -d 'Namespace of the resource [default: that of the context]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l to -d 'Requests to this resource only' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l to-namespace -d 'Namespace of --to [default: any]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l max-rps -d 'Most requests a second' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l scheme -d 'Requests of this scheme only' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l method -d 'Requests of this method only' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l authority -d 'Requests for this authority only' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l path -d 'Requests for paths that start with this only' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -s l -l selector -d 'Labels that the pods must have' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -s o -l output -d 'Output format: wide or json' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand tap" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand uninject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -s f -l force -d 'Print them even if pods with a proxy are still running'
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l registry -d 'Registry and path of the project\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l controller-replicas -d 'Replicas of each component [default: 1; 3 with --ha]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l controller-log-level -d 'Log level of the control plane [default: info]' -r -f -a "panic\t''
fatal\t''
error\t''
warn\t''
info\t''
debug\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l controller-uid -d 'User id of the control plane\'s processes [default: 2103]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l controller-gid -d 'Group id of the control plane\'s processes' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l enable-endpoint-slices -d 'Read endpoints from EndpointSlices [default: true]' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l prometheus-image -d 'Image of the bundled Prometheus' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l control-plane-version -d 'Version of the control plane\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l identity-trust-anchors-file -d 'File of trust anchors (PEM, one or more certificates)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l identity-issuer-certificate-file -d 'File of the issuer\'s certificate (PEM; intermediates may follow)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l identity-issuer-key-file -d 'File of the issuer\'s private key (PEM, ECDSA P-256)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l identity-issuance-lifetime -d 'How long certificates of workloads last [default: 24h0m0s]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l identity-clock-skew-allowance -d 'By how much clocks of the cluster may differ [default: 20s]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -s v -l proxy-version -d 'Version of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l proxy-image -d 'Name of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l init-image -d 'Name of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l init-image-version -d 'Version of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l image-pull-policy -d 'When to pull the images' -r -f -a "Always\t''
IfNotPresent\t''
Never\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l inbound-port -d 'Port of redirected incoming traffic [default: 4143]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l outbound-port -d 'Port of redirected outgoing traffic [default: 4140]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l skip-inbound-ports -d 'Incoming ports and ranges that bypass the proxy: 22,6000-6100' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l skip-outbound-ports -d 'Outgoing ports and ranges that bypass the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l opaque-ports -d 'Ports whose protocol the proxy does not look at' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l proxy-uid -d 'User id of the proxy [default: 2102]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l proxy-gid -d 'Group id of the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l proxy-log-level -d 'Log level of the proxy: comma list of `level`, `module` or `module=level`' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l control-port -d 'Port of the proxy\'s tap server [default: 4190]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l admin-port -d 'Port of the proxy\'s metrics and probes [default: 4191]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l proxy-cpu-request -d 'CPU reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l proxy-cpu-limit -d 'Most CPU the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l proxy-memory-request -d 'Memory reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l proxy-memory-limit -d 'Most memory the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l default-inbound-policy -d 'What may reach ports without a policy of their own' -r -f -a "all-unauthenticated\t''
all-authenticated\t''
cluster-unauthenticated\t''
cluster-authenticated\t''
deny\t''
audit\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l native-sidecar -d 'Run the proxy as a native sidecar (an init container that keeps running)' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -s f -l values -l config -d 'File or URL of chart values (YAML); may be repeated, later ones win' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l set -d 'Set chart values, as in Helm: key1=val1,key2.sub=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l set-string -d 'Set chart values that stay strings: key1=val1,key2=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l set-file -d 'Set chart values from files: key1=path1,key2=path2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l addon-config -d 'Configuration file (YAML) of the add-ons grafana, prometheus and tracing' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l from-manifests -d 'Read the install from manifests (file, directory, URL or -) instead of the cluster' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l crds -d 'Print the custom resource definitions only'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l linkerd-cni-enabled -d 'Leave the redirection of traffic to the CNI plugin: pods get no init container with NET_ADMIN'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l restrict-dashboard-privileges -d 'Take from the dashboard the rights to tap and to check'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l ha -d 'Run the components in triplicate with resources, anti-affinity and disruption budgets'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l disable-h2-upgrade -d 'Do not upgrade HTTP/1 between meshed pods to HTTP/2'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l disable-heartbeat -d 'Install no heartbeat'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l omit-webhook-side-effects -d 'Leave `sideEffects` out of the webhook configurations'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l control-plane-tracing -d 'Send the control plane\'s own traces to the collector'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l enable-external-profiles -d 'Ask for profiles of names outside the cluster, too'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l force -d 'Render even if running proxies would not accept the new issuer'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l addon-overwrite -d 'Forget the recorded settings of the add-ons'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l diff -d 'Print what applying would change instead of the manifests'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -f -a "config" -d 'Output what needs the rights of a cluster administrator'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -f -a "control-plane" -d 'Output what the owner of the namespace installs'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and not __fish_seen_subcommand_from config control-plane help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l registry -d 'Registry and path of the project\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -s f -l values -l config -d 'File or URL of chart values (YAML); may be repeated, later ones win' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l set -d 'Set chart values, as in Helm: key1=val1,key2.sub=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l set-string -d 'Set chart values that stay strings: key1=val1,key2=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l set-file -d 'Set chart values from files: key1=path1,key2=path2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l addon-config -d 'Configuration file (YAML) of the add-ons grafana, prometheus and tracing' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l from-manifests -d 'Read the install from manifests (file, directory, URL or -) instead of the cluster' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l linkerd-cni-enabled -d 'Leave the redirection of traffic to the CNI plugin: pods get no init container with NET_ADMIN'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l restrict-dashboard-privileges -d 'Take from the dashboard the rights to tap and to check'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l force -d 'Render even if running proxies would not accept the new issuer'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l addon-overwrite -d 'Forget the recorded settings of the add-ons'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l diff -d 'Print what applying would change instead of the manifests'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l registry -d 'Registry and path of the project\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l controller-replicas -d 'Replicas of each component [default: 1; 3 with --ha]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l controller-log-level -d 'Log level of the control plane [default: info]' -r -f -a "panic\t''
fatal\t''
error\t''
warn\t''
info\t''
debug\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l controller-uid -d 'User id of the control plane\'s processes [default: 2103]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l controller-gid -d 'Group id of the control plane\'s processes' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l enable-endpoint-slices -d 'Read endpoints from EndpointSlices [default: true]' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l prometheus-image -d 'Image of the bundled Prometheus' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l control-plane-version -d 'Version of the control plane\'s images' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l identity-trust-anchors-file -d 'File of trust anchors (PEM, one or more certificates)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l identity-issuer-certificate-file -d 'File of the issuer\'s certificate (PEM; intermediates may follow)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l identity-issuer-key-file -d 'File of the issuer\'s private key (PEM, ECDSA P-256)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l identity-issuance-lifetime -d 'How long certificates of workloads last [default: 24h0m0s]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l identity-clock-skew-allowance -d 'By how much clocks of the cluster may differ [default: 20s]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -s v -l proxy-version -d 'Version of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l proxy-image -d 'Name of the proxy\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l init-image -d 'Name of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l init-image-version -d 'Version of the init container\'s image' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l image-pull-policy -d 'When to pull the images' -r -f -a "Always\t''
IfNotPresent\t''
Never\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l inbound-port -d 'Port of redirected incoming traffic [default: 4143]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l outbound-port -d 'Port of redirected outgoing traffic [default: 4140]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l skip-inbound-ports -d 'Incoming ports and ranges that bypass the proxy: 22,6000-6100' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l skip-outbound-ports -d 'Outgoing ports and ranges that bypass the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l opaque-ports -d 'Ports whose protocol the proxy does not look at' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l proxy-uid -d 'User id of the proxy [default: 2102]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l proxy-gid -d 'Group id of the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l proxy-log-level -d 'Log level of the proxy: comma list of `level`, `module` or `module=level`' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l control-port -d 'Port of the proxy\'s tap server [default: 4190]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l admin-port -d 'Port of the proxy\'s metrics and probes [default: 4191]' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l proxy-cpu-request -d 'CPU reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l proxy-cpu-limit -d 'Most CPU the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l proxy-memory-request -d 'Memory reserved for the proxy' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l proxy-memory-limit -d 'Most memory the proxy may use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l default-inbound-policy -d 'What may reach ports without a policy of their own' -r -f -a "all-unauthenticated\t''
all-authenticated\t''
cluster-unauthenticated\t''
cluster-authenticated\t''
deny\t''
audit\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l native-sidecar -d 'Run the proxy as a native sidecar (an init container that keeps running)' -r -f -a "true\t''
false\t''"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -s f -l values -l config -d 'File or URL of chart values (YAML); may be repeated, later ones win' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l set -d 'Set chart values, as in Helm: key1=val1,key2.sub=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l set-string -d 'Set chart values that stay strings: key1=val1,key2=val2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l set-file -d 'Set chart values from files: key1=path1,key2=path2' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l addon-config -d 'Configuration file (YAML) of the add-ons grafana, prometheus and tracing' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l from-manifests -d 'Read the install from manifests (file, directory, URL or -) instead of the cluster' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -s o -l output -d 'Output format' -r -f -a "yaml\t'YAML documents, each behind `---`'
json\t'One JSON document an object'"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l linkerd-cni-enabled -d 'Leave the redirection of traffic to the CNI plugin: pods get no init container with NET_ADMIN'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l restrict-dashboard-privileges -d 'Take from the dashboard the rights to tap and to check'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l ha -d 'Run the components in triplicate with resources, anti-affinity and disruption budgets'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l disable-h2-upgrade -d 'Do not upgrade HTTP/1 between meshed pods to HTTP/2'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l disable-heartbeat -d 'Install no heartbeat'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l omit-webhook-side-effects -d 'Leave `sideEffects` out of the webhook configurations'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l control-plane-tracing -d 'Send the control plane\'s own traces to the collector'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l enable-external-profiles -d 'Ask for profiles of names outside the cluster, too'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l force -d 'Render even if running proxies would not accept the new issuer'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l addon-overwrite -d 'Forget the recorded settings of the add-ons'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l diff -d 'Print what applying would change instead of the manifests'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from control-plane" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from help" -f -a "config" -d 'Output what needs the rights of a cluster administrator'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from help" -f -a "control-plane" -d 'Output what the owner of the namespace installs'
complete -c linkerd -n "__fish_linkerd_using_subcommand upgrade; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -s n -l namespace -d 'Namespace of the proxies to list (all, if not given)' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -s L -l linkerd-namespace -d 'Namespace of the control plane' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l cni-namespace -d 'Namespace of the CNI plugin' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l kubeconfig -d 'Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod\'s own account)' -r -F
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l context -d 'Context of the kubeconfig to use' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l as -d 'User to impersonate' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l api-addr -d 'Address (host:port) of the control plane\'s API, instead of a port-forward to it' -r
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l color -d 'When to colour the output' -r -f -a "auto\t'If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set'
always\t'Always'
never\t'Never'"
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l short -d 'Print the version numbers alone'
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l client -d 'Print the version of this command only'
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l proxy -d 'Print the versions of the proxies too'
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -l verbose -d 'Print more of what happens, on stderr'
complete -c linkerd -n "__fish_linkerd_using_subcommand version" -s h -l help -d 'Print help'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "authz" -d 'List authorizations for a resource'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "certs" -d 'Make, check and list the certificates of the mesh'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "check" -d 'Check the Linkerd installation for potential problems'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "completion" -d 'Output shell completion code for the specified shell'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "doc" -d 'Output the reference of all commands and annotations as YAML'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "diagnostics" -d 'Commands used to diagnose Linkerd components'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "identity" -d 'Display the certificate(s) of one or more selected pod(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "inject" -d 'Add the Linkerd proxy to a Kubernetes config'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "install" -d 'Output Kubernetes configs to install Linkerd'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "install-cni" -d 'Output Kubernetes configs to install the Linkerd CNI plugin'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "install-sp" -d 'Output Kubernetes configs to install Linkerd service profiles'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "profile" -d 'Output service profile config for Kubernetes'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "prune" -d 'Output extraneous Kubernetes resources in the linkerd control plane'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "stat" -d 'Display traffic stats about one or many resources'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "tap" -d 'Listen to a traffic stream'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "uninject" -d 'Remove the Linkerd proxy from a Kubernetes config'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "uninstall" -d 'Output Kubernetes resources to uninstall the Linkerd control plane'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "upgrade" -d 'Output Kubernetes configs to upgrade an existing Linkerd control plane'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "version" -d 'Print the client and server version information'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and not __fish_seen_subcommand_from authz certs check completion doc diagnostics identity inject install install-cni install-sp profile prune stat tap uninject uninstall upgrade version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from certs" -f -a "create-anchor" -d 'Make a trust anchor: a certificate that all proxies of a mesh trust, and its key'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from certs" -f -a "create-issuer" -d 'Make an issuer, signed by a trust anchor: what signs the certificates of workloads'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from certs" -f -a "check" -d 'Check certificates and keys in files'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from certs" -f -a "list" -d 'List the certificates of an installed control plane'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from check" -f -a "config" -d 'Check what `linkerd install config` made'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from diagnostics" -f -a "proxy-metrics" -d 'Fetch metrics directly from Linkerd proxies'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from diagnostics" -f -a "endpoints" -d 'Introspect what the control plane discovers for addresses'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from diagnostics" -f -a "policy" -d 'Introspect the policy that the control plane gives for a port'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from diagnostics" -f -a "profile" -d 'Introspect the profile that the control plane gives for an address'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from install" -f -a "config" -d 'Output what needs the rights of a cluster administrator: namespace, RBAC, definitions, webhooks'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from install" -f -a "control-plane" -d 'Output what the owner of the namespace installs: configuration, services, workloads'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from upgrade" -f -a "config" -d 'Output what needs the rights of a cluster administrator'
complete -c linkerd -n "__fish_linkerd_using_subcommand help; and __fish_seen_subcommand_from upgrade" -f -a "control-plane" -d 'Output what the owner of the namespace installs'
