#compdef linkerd

autoload -U is-at-least

_linkerd() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_linkerd_commands" \
"*::: :->linkerd" \
&& ret=0
    case $state in
    (linkerd)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-command-$line[1]:"
        case $line[1] in
            (authz)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the workload \[default\: that of the context\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the workload \[default\: that of the context\]]:NAMESPACE:_default' \
'-o+[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'--output=[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':resource -- Workload\: TYPE or TYPE/NAME, such as deploy/web:_default' \
&& ret=0
;;
(certs)
_arguments "${_arguments_options[@]}" : \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
":: :_linkerd__subcmd__certs_commands" \
"*::: :->certs" \
&& ret=0

    case $state in
    (certs)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-certs-command-$line[1]:"
        case $line[1] in
            (create-anchor)
_arguments "${_arguments_options[@]}" : \
'--not-after=[How long the certificate is valid (8760h), or its last second (2030-01-01T00\:00\:00Z)]:WHEN:_default' \
'--identity-trust-domain=[Trust domain that the default name ends in]:DOMAIN:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'-f[Replace files that exist]' \
'--force[Replace files that exist]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
'::subject -- Name of the anchor \[default\: root.NAMESPACE.TRUST-DOMAIN\]:_default' \
'::certificate -- File for the certificate:_files' \
'::key -- File for the key:_files' \
&& ret=0
;;
(create-issuer)
_arguments "${_arguments_options[@]}" : \
'--ca=[Certificate of the trust anchor]:FILE:_files' \
'--ca-key=[Key of the trust anchor]:FILE:_files' \
'--not-after=[How long the certificate is valid (8760h), or its last second (2030-01-01T00\:00\:00Z)]:WHEN:_default' \
'--identity-trust-domain=[Trust domain that the default name ends in]:DOMAIN:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'-f[Replace files that exist]' \
'--force[Replace files that exist]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
'::subject -- Name of the issuer; install demands the default \[default\: identity.NAMESPACE.TRUST-DOMAIN\]:_default' \
'::certificate -- File for the certificate:_files' \
'::key -- File for the key:_files' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--expiring-within=[How soon before its end a certificate is a finding \[default\: 1440h, 60 days\]]:DURATION:_default' \
'--issuer-name=[Name that the issuer has to be for, such as identity.linkerd.cluster.local]:NAME:_default' \
'-o+[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'--output=[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::files -- Files of certificates and keys (PEM):_files' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--expiring-within=[How soon before its end a certificate is said to expire soon \[default\: 1440h, 60 days\]]:DURATION:_default' \
'-o+[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'--output=[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__certs__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-certs-help-command-$line[1]:"
        case $line[1] in
            (create-anchor)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(create-issuer)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(check)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace whose data plane is checked (default\: all)]:NAMESPACE:_default' \
'--namespace=[Namespace whose data plane is checked (default\: all)]:NAMESPACE:_default' \
'--expected-version=[Version that everything should have]:VERSION:_default' \
'--cli-version-override=[Version to take for this command'\''s own]:VERSION:_default' \
'-o+[Output format]:FORMAT:((table\:"Every check, as text"
short\:"Problems only, as text"
json\:"JSON"))' \
'--output=[Output format]:FORMAT:((table\:"Every check, as text"
short\:"Problems only, as text"
json\:"JSON"))' \
'--wait=[How long to wait for checks that may still pass]:DURATION:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--pre[Check only whether the control plane can be installed]' \
'--linkerd-cni-enabled[With --pre\: check the CNI plugin, too]' \
'--proxy[Check the data plane, too]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_linkerd__subcmd__check_commands" \
"*::: :->check" \
&& ret=0

    case $state in
    (check)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-check-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
'--expected-version=[Version that everything should have]:VERSION:_default' \
'--cli-version-override=[Version to take for this command'\''s own]:VERSION:_default' \
'-o+[Output format]:FORMAT:((table\:"Every check, as text"
short\:"Problems only, as text"
json\:"JSON"))' \
'--output=[Output format]:FORMAT:((table\:"Every check, as text"
short\:"Problems only, as text"
json\:"JSON"))' \
'--wait=[How long to wait for checks that may still pass]:DURATION:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__check__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-check-help-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(completion)
_arguments "${_arguments_options[@]}" : \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
':shell -- bash, zsh, fish or powershell:_default' \
&& ret=0
;;
(doc)
_arguments "${_arguments_options[@]}" : \
'(--markdown)--man=[Write a man page per command into this folder instead]:DIR:_files' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--markdown[Print the commands as Markdown instead]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(diagnostics)
_arguments "${_arguments_options[@]}" : \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
":: :_linkerd__subcmd__diagnostics_commands" \
"*::: :->diagnostics" \
&& ret=0

    case $state in
    (diagnostics)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-diagnostics-command-$line[1]:"
        case $line[1] in
            (proxy-metrics)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the workload \[default\: that of the context\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the workload \[default\: that of the context\]]:NAMESPACE:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
':resource -- Workload\: TYPE/NAME, such as deploy/web:_default' \
&& ret=0
;;
(endpoints)
_arguments "${_arguments_options[@]}" : \
'--destination-pod=[Destination pod to ask \[default\: the first that is running\]]:POD:_default' \
'--token=[Context token sent along]:TOKEN:_default' \
'-o+[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'--output=[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::authorities -- Authorities\: web.shop.svc.cluster.local\:80:_default' \
&& ret=0
;;
(policy)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the resource \[default\: that of the context\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the resource \[default\: that of the context\]]:NAMESPACE:_default' \
'--destination-pod=[Destination pod to ask \[default\: the first that is running\]]:POD:_default' \
'--token=[Workload token sent along]:TOKEN:_default' \
'-o+[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'--output=[Output format]:FORMAT:((table\:"A table for people"
wide\:"The table with more columns"
json\:"JSON, indented by two"
yaml\:"YAML"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':resource -- Workload or Service\: po/web, svc/api:_default' \
':port -- Port:_default' \
&& ret=0
;;
(profile)
_arguments "${_arguments_options[@]}" : \
'--destination-pod=[Destination pod to ask \[default\: the first that is running\]]:POD:_default' \
'--token=[Context token sent along]:TOKEN:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
':address -- Address\: web.shop.svc.cluster.local\:80, or IP\:PORT:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__diagnostics__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-diagnostics-help-command-$line[1]:"
        case $line[1] in
            (proxy-metrics)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(endpoints)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(policy)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(profile)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(identity)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the pods \[default\: that of the context\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the pods \[default\: that of the context\]]:NAMESPACE:_default' \
'()-l+[Label selector of the pods]:SELECTOR:_default' \
'()--selector=[Label selector of the pods]:SELECTOR:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
'*::pods -- Names of pods:_default' \
&& ret=0
;;
(inject)
_arguments "${_arguments_options[@]}" : \
'--identity-trust-anchors-file=[File of trust anchors (PEM) for --manual --ignore-cluster]:FILE:_files' \
'--close-wait-timeout=[How long a half-closed connection stays in the kernel'\''s table (1m30s)]:DURATION:_default' \
'--wait-before-exit-seconds=[Seconds the proxy stays before it is told to stop]:SECONDS:_default' \
'*--require-identity-on-inbound-ports=[Incoming ports that accept clients with an identity only]:PORTS:_default' \
'--trace-collector=[Collector (host\:port) that the proxies send spans to]:ADDR:_default' \
'--trace-collector-svc-account=[ServiceAccount of that collector]:NAME:_default' \
'--registry=[Registry and path of the project'\''s images]:REGISTRY:_default' \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-v+[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-version=[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-image=[Name of the proxy'\''s image]:IMAGE:_default' \
'--init-image=[Name of the init container'\''s image]:IMAGE:_default' \
'--init-image-version=[Version of the init container'\''s image]:VERSION:_default' \
'--image-pull-policy=[When to pull the images]:POLICY:(Always IfNotPresent Never)' \
'--inbound-port=[Port of redirected incoming traffic \[default\: 4143\]]:PORT:_default' \
'--outbound-port=[Port of redirected outgoing traffic \[default\: 4140\]]:PORT:_default' \
'*--skip-inbound-ports=[Incoming ports and ranges that bypass the proxy\: 22,6000-6100]:PORTS:_default' \
'*--skip-outbound-ports=[Outgoing ports and ranges that bypass the proxy]:PORTS:_default' \
'*--opaque-ports=[Ports whose protocol the proxy does not look at]:PORTS:_default' \
'--proxy-uid=[User id of the proxy \[default\: 2102\]]:UID:_default' \
'--proxy-gid=[Group id of the proxy]:GID:_default' \
'--proxy-log-level=[Log level of the proxy\: comma list of \`level\`, \`module\` or \`module=level\`]:LEVEL:_default' \
'--control-port=[Port of the proxy'\''s tap server \[default\: 4190\]]:PORT:_default' \
'--admin-port=[Port of the proxy'\''s metrics and probes \[default\: 4191\]]:PORT:_default' \
'--proxy-cpu-request=[CPU reserved for the proxy]:QUANTITY:_default' \
'--proxy-cpu-limit=[Most CPU the proxy may use]:QUANTITY:_default' \
'--proxy-memory-request=[Memory reserved for the proxy]:QUANTITY:_default' \
'--proxy-memory-limit=[Most memory the proxy may use]:QUANTITY:_default' \
'--default-inbound-policy=[What may reach ports without a policy of their own]:POLICY:(all-unauthenticated all-authenticated cluster-unauthenticated cluster-authenticated deny audit)' \
'--native-sidecar=[Run the proxy as a native sidecar (an init container that keeps running)]::BOOL:(true false)' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--manual[Write the proxy'\''s containers into the manifest instead of leaving them to the injector]' \
'--ignore-cluster[Do not ask the cluster for the configuration; take the defaults of install]' \
'--enable-debug-sidecar[Add a container with network tools to each pod]' \
'--ingress[Route outgoing requests by their name\: for ingress controllers]' \
'--disable-tap[Refuse tap]' \
'--disable-identity[Has no effect\: every proxy has an identity]' \
'--enable-external-profiles[Ask for profiles of names outside the cluster, too]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::source -- File, directory, URL, or `-` for stdin:_default' \
&& ret=0
;;
(install)
_arguments "${_arguments_options[@]}" : \
'--registry=[Registry and path of the project'\''s images]:REGISTRY:_default' \
'--controller-replicas=[Replicas of each component \[default\: 1; 3 with --ha\]]:N:_default' \
'--controller-log-level=[Log level of the control plane \[default\: info\]]:LEVEL:(panic fatal error warn info debug)' \
'--controller-uid=[User id of the control plane'\''s processes \[default\: 2103\]]:UID:_default' \
'--controller-gid=[Group id of the control plane'\''s processes]:GID:_default' \
'--enable-endpoint-slices=[Read endpoints from EndpointSlices \[default\: true\]]::BOOL:(true false)' \
'--prometheus-image=[Image of the bundled Prometheus]:IMAGE:_default' \
'--control-plane-version=[Version of the control plane'\''s images]:VERSION:_default' \
'--cluster-domain=[Domain of the cluster'\''s DNS \[default\: cluster.local\]]:DOMAIN:_default' \
'--identity-trust-anchors-file=[File of trust anchors (PEM, one or more certificates)]:FILE:_files' \
'--identity-issuer-certificate-file=[File of the issuer'\''s certificate (PEM; intermediates may follow)]:FILE:_files' \
'--identity-issuer-key-file=[File of the issuer'\''s private key (PEM, ECDSA P-256)]:FILE:_files' \
'--identity-issuance-lifetime=[How long certificates of workloads last \[default\: 24h0m0s\]]:DURATION:_default' \
'--identity-clock-skew-allowance=[By how much clocks of the cluster may differ \[default\: 20s\]]:DURATION:_default' \
'--identity-trust-domain=[Suffix of all identities \[default\: the cluster domain\]]:DOMAIN:_default' \
'-v+[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-version=[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-image=[Name of the proxy'\''s image]:IMAGE:_default' \
'--init-image=[Name of the init container'\''s image]:IMAGE:_default' \
'--init-image-version=[Version of the init container'\''s image]:VERSION:_default' \
'--image-pull-policy=[When to pull the images]:POLICY:(Always IfNotPresent Never)' \
'--inbound-port=[Port of redirected incoming traffic \[default\: 4143\]]:PORT:_default' \
'--outbound-port=[Port of redirected outgoing traffic \[default\: 4140\]]:PORT:_default' \
'*--skip-inbound-ports=[Incoming ports and ranges that bypass the proxy\: 22,6000-6100]:PORTS:_default' \
'*--skip-outbound-ports=[Outgoing ports and ranges that bypass the proxy]:PORTS:_default' \
'*--opaque-ports=[Ports whose protocol the proxy does not look at]:PORTS:_default' \
'--proxy-uid=[User id of the proxy \[default\: 2102\]]:UID:_default' \
'--proxy-gid=[Group id of the proxy]:GID:_default' \
'--proxy-log-level=[Log level of the proxy\: comma list of \`level\`, \`module\` or \`module=level\`]:LEVEL:_default' \
'--control-port=[Port of the proxy'\''s tap server \[default\: 4190\]]:PORT:_default' \
'--admin-port=[Port of the proxy'\''s metrics and probes \[default\: 4191\]]:PORT:_default' \
'--proxy-cpu-request=[CPU reserved for the proxy]:QUANTITY:_default' \
'--proxy-cpu-limit=[Most CPU the proxy may use]:QUANTITY:_default' \
'--proxy-memory-request=[Memory reserved for the proxy]:QUANTITY:_default' \
'--proxy-memory-limit=[Most memory the proxy may use]:QUANTITY:_default' \
'--default-inbound-policy=[What may reach ports without a policy of their own]:POLICY:(all-unauthenticated all-authenticated cluster-unauthenticated cluster-authenticated deny audit)' \
'--native-sidecar=[Run the proxy as a native sidecar (an init container that keeps running)]::BOOL:(true false)' \
'*-f+[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--values=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--config=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--set=[Set chart values, as in Helm\: key1=val1,key2.sub=val2]:KEY=VALUE:_default' \
'*--set-string=[Set chart values that stay strings\: key1=val1,key2=val2]:KEY=VALUE:_default' \
'*--set-file=[Set chart values from files\: key1=path1,key2=path2]:KEY=FILE:_default' \
'--addon-config=[Configuration file (YAML) of the add-ons grafana, prometheus and tracing]:FILE:_default' \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--crds[Print the custom resource definitions only]' \
'--linkerd-cni-enabled[Leave the redirection of traffic to the CNI plugin\: pods get no init container with NET_ADMIN]' \
'--restrict-dashboard-privileges[Take from the dashboard the rights to tap and to check]' \
'--ha[Run the components in triplicate with resources, anti-affinity and disruption budgets]' \
'--disable-h2-upgrade[Do not upgrade HTTP/1 between meshed pods to HTTP/2]' \
'--disable-heartbeat[Install no heartbeat]' \
'--omit-webhook-side-effects[Leave \`sideEffects\` out of the webhook configurations]' \
'--control-plane-tracing[Send the control plane'\''s own traces to the collector]' \
'--identity-external-issuer[Take the issuer from the Secret linkerd-identity-issuer that somebody else maintains]' \
'--identity-external-ca[Take the trust anchors from the ConfigMap linkerd-identity-trust-roots that somebody else maintains]' \
'--identity-discard-anchor-key[Do not keep the key of the trust anchor that install makes; the issuer is then renewed by hand]' \
'--enable-external-profiles[Ask for profiles of names outside the cluster, too]' \
'--ignore-cluster[Do not ask the cluster whether there is an install already]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_linkerd__subcmd__install_commands" \
"*::: :->install" \
&& ret=0

    case $state in
    (install)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-install-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
'--registry=[Registry and path of the project'\''s images]:REGISTRY:_default' \
'*-f+[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--values=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--config=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--set=[Set chart values, as in Helm\: key1=val1,key2.sub=val2]:KEY=VALUE:_default' \
'*--set-string=[Set chart values that stay strings\: key1=val1,key2=val2]:KEY=VALUE:_default' \
'*--set-file=[Set chart values from files\: key1=path1,key2=path2]:KEY=FILE:_default' \
'--addon-config=[Configuration file (YAML) of the add-ons grafana, prometheus and tracing]:FILE:_default' \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--linkerd-cni-enabled[Leave the redirection of traffic to the CNI plugin\: pods get no init container with NET_ADMIN]' \
'--restrict-dashboard-privileges[Take from the dashboard the rights to tap and to check]' \
'--ignore-cluster[Do not ask the cluster whether there is an install already]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(control-plane)
_arguments "${_arguments_options[@]}" : \
'--registry=[Registry and path of the project'\''s images]:REGISTRY:_default' \
'--controller-replicas=[Replicas of each component \[default\: 1; 3 with --ha\]]:N:_default' \
'--controller-log-level=[Log level of the control plane \[default\: info\]]:LEVEL:(panic fatal error warn info debug)' \
'--controller-uid=[User id of the control plane'\''s processes \[default\: 2103\]]:UID:_default' \
'--controller-gid=[Group id of the control plane'\''s processes]:GID:_default' \
'--enable-endpoint-slices=[Read endpoints from EndpointSlices \[default\: true\]]::BOOL:(true false)' \
'--prometheus-image=[Image of the bundled Prometheus]:IMAGE:_default' \
'--control-plane-version=[Version of the control plane'\''s images]:VERSION:_default' \
'--cluster-domain=[Domain of the cluster'\''s DNS \[default\: cluster.local\]]:DOMAIN:_default' \
'--identity-trust-anchors-file=[File of trust anchors (PEM, one or more certificates)]:FILE:_files' \
'--identity-issuer-certificate-file=[File of the issuer'\''s certificate (PEM; intermediates may follow)]:FILE:_files' \
'--identity-issuer-key-file=[File of the issuer'\''s private key (PEM, ECDSA P-256)]:FILE:_files' \
'--identity-issuance-lifetime=[How long certificates of workloads last \[default\: 24h0m0s\]]:DURATION:_default' \
'--identity-clock-skew-allowance=[By how much clocks of the cluster may differ \[default\: 20s\]]:DURATION:_default' \
'--identity-trust-domain=[Suffix of all identities \[default\: the cluster domain\]]:DOMAIN:_default' \
'-v+[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-version=[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-image=[Name of the proxy'\''s image]:IMAGE:_default' \
'--init-image=[Name of the init container'\''s image]:IMAGE:_default' \
'--init-image-version=[Version of the init container'\''s image]:VERSION:_default' \
'--image-pull-policy=[When to pull the images]:POLICY:(Always IfNotPresent Never)' \
'--inbound-port=[Port of redirected incoming traffic \[default\: 4143\]]:PORT:_default' \
'--outbound-port=[Port of redirected outgoing traffic \[default\: 4140\]]:PORT:_default' \
'*--skip-inbound-ports=[Incoming ports and ranges that bypass the proxy\: 22,6000-6100]:PORTS:_default' \
'*--skip-outbound-ports=[Outgoing ports and ranges that bypass the proxy]:PORTS:_default' \
'*--opaque-ports=[Ports whose protocol the proxy does not look at]:PORTS:_default' \
'--proxy-uid=[User id of the proxy \[default\: 2102\]]:UID:_default' \
'--proxy-gid=[Group id of the proxy]:GID:_default' \
'--proxy-log-level=[Log level of the proxy\: comma list of \`level\`, \`module\` or \`module=level\`]:LEVEL:_default' \
'--control-port=[Port of the proxy'\''s tap server \[default\: 4190\]]:PORT:_default' \
'--admin-port=[Port of the proxy'\''s metrics and probes \[default\: 4191\]]:PORT:_default' \
'--proxy-cpu-request=[CPU reserved for the proxy]:QUANTITY:_default' \
'--proxy-cpu-limit=[Most CPU the proxy may use]:QUANTITY:_default' \
'--proxy-memory-request=[Memory reserved for the proxy]:QUANTITY:_default' \
'--proxy-memory-limit=[Most memory the proxy may use]:QUANTITY:_default' \
'--default-inbound-policy=[What may reach ports without a policy of their own]:POLICY:(all-unauthenticated all-authenticated cluster-unauthenticated cluster-authenticated deny audit)' \
'--native-sidecar=[Run the proxy as a native sidecar (an init container that keeps running)]::BOOL:(true false)' \
'*-f+[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--values=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--config=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--set=[Set chart values, as in Helm\: key1=val1,key2.sub=val2]:KEY=VALUE:_default' \
'*--set-string=[Set chart values that stay strings\: key1=val1,key2=val2]:KEY=VALUE:_default' \
'*--set-file=[Set chart values from files\: key1=path1,key2=path2]:KEY=FILE:_default' \
'--addon-config=[Configuration file (YAML) of the add-ons grafana, prometheus and tracing]:FILE:_default' \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--skip-checks[Do not check whether the first stage is in place]' \
'--linkerd-cni-enabled[Leave the redirection of traffic to the CNI plugin\: pods get no init container with NET_ADMIN]' \
'--restrict-dashboard-privileges[Take from the dashboard the rights to tap and to check]' \
'--ha[Run the components in triplicate with resources, anti-affinity and disruption budgets]' \
'--disable-h2-upgrade[Do not upgrade HTTP/1 between meshed pods to HTTP/2]' \
'--disable-heartbeat[Install no heartbeat]' \
'--omit-webhook-side-effects[Leave \`sideEffects\` out of the webhook configurations]' \
'--control-plane-tracing[Send the control plane'\''s own traces to the collector]' \
'--identity-external-issuer[Take the issuer from the Secret linkerd-identity-issuer that somebody else maintains]' \
'--identity-external-ca[Take the trust anchors from the ConfigMap linkerd-identity-trust-roots that somebody else maintains]' \
'--identity-discard-anchor-key[Do not keep the key of the trust anchor that install makes; the issuer is then renewed by hand]' \
'--enable-external-profiles[Ask for profiles of names outside the cluster, too]' \
'--ignore-cluster[Do not ask the cluster whether there is an install already]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__install__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-install-help-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(control-plane)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(install-cni)
_arguments "${_arguments_options[@]}" : \
'-v+[Version of the plugin'\''s image]:VERSION:_default' \
'--linkerd-version=[Version of the plugin'\''s image]:VERSION:_default' \
'--cni-image-version=[Version of the plugin'\''s image]:VERSION:_default' \
'--registry=[Registry and path of the image]:REGISTRY:_default' \
'--cni-image=[Name of the image; beats --registry]:IMAGE:_default' \
'--proxy-uid=[User id of the proxy]:UID:_default' \
'--proxy-gid=[Group id of the proxy]:GID:_default' \
'--inbound-port=[Port of redirected incoming traffic]:PORT:_default' \
'--outbound-port=[Port of redirected outgoing traffic]:PORT:_default' \
'--control-port=[Port of the proxy'\''s tap server]:PORT:_default' \
'--admin-port=[Port of the proxy'\''s metrics and probes]:PORT:_default' \
'*--skip-inbound-ports=[Incoming ports and ranges that bypass the proxy]:PORTS:_default' \
'*--skip-outbound-ports=[Outgoing ports and ranges that bypass the proxy]:PORTS:_default' \
'*--redirect-ports=[Redirect these incoming ports only \[default\: all\]]:PORTS:_default' \
'--cni-log-level=[Log level of the plugin]:LEVEL:_default' \
'--dest-cni-net-dir=[Directory of the node'\''s CNI configuration]:DIR:_default' \
'--dest-cni-bin-dir=[Directory of the node'\''s CNI programs]:DIR:_default' \
'--priority-class-name=[PriorityClass of the pods]:NAME:_default' \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--use-wait-flag[Let iptables wait for its lock]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(install-sp)
_arguments "${_arguments_options[@]}" : \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--ignore-cluster[Do not ask the cluster for the domain of its DNS]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(profile)
_arguments "${_arguments_options[@]}" : \
'--open-api=[OpenAPI document (Swagger 2.0, OpenAPI 3.0 or 3.1; JSON or YAML); - reads stdin]:FILE:_files' \
'--proto=[Protobuf file (proto2 or proto3) with services; - reads stdin]:FILE:_files' \
'*-I+[Folder to look for imports of the protobuf file in, before its own; may be repeated]:DIR:_files' \
'*--proto-path=[Folder to look for imports of the protobuf file in, before its own; may be repeated]:DIR:_files' \
'-n+[Namespace of the service \[default\: that of the kubeconfig'\''s context\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the service \[default\: that of the kubeconfig'\''s context\]]:NAMESPACE:_default' \
'--format=[What to write]:KIND:((serviceprofile\:"A ServiceProfile"
httproute\:"HTTPRoutes of the Gateway API"
grpcroute\:"GRPCRoutes of the Gateway API; for --proto"))' \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--template[Write an example with explanations]' \
'--ignore-cluster[Do not ask the cluster for its domain; assume cluster.local]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':service -- The service that the profile is for:_default' \
&& ret=0
;;
(prune)
_arguments "${_arguments_options[@]}" : \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(stat)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the resources \[default\: that of the context\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the resources \[default\: that of the context\]]:NAMESPACE:_default' \
'--to=[Traffic to this resource only]:RESOURCE:_default' \
'--to-namespace=[Namespace of --to \[default\: that of the resources\]]:NAMESPACE:_default' \
'--from=[Traffic from this resource only]:RESOURCE:_default' \
'--from-namespace=[Namespace of --from \[default\: that of the resources\]]:NAMESPACE:_default' \
'-t+[How far to look back]:DURATION:_default' \
'--time-window=[How far to look back]:DURATION:_default' \
'-l+[Labels that resources must have]:SELECTOR:_default' \
'--selector=[Labels that resources must have]:SELECTOR:_default' \
'-o+[Output format\: table, wide or json]:FORMAT:_default' \
'--output=[Output format\: table, wide or json]:FORMAT:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'-A[Show resources of all namespaces]' \
'--all-namespaces[Show resources of all namespaces]' \
'--unmeshed[Show resources without proxies, too]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
'*::resources -- Resources\: TYPE, TYPE/NAME, or TYPE and names:_default' \
&& ret=0
;;
(tap)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the resource \[default\: that of the context\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the resource \[default\: that of the context\]]:NAMESPACE:_default' \
'--to=[Requests to this resource only]:RESOURCE:_default' \
'--to-namespace=[Namespace of --to \[default\: any\]]:NAMESPACE:_default' \
'--max-rps=[Most requests a second]:N:_default' \
'--scheme=[Requests of this scheme only]:SCHEME:_default' \
'--method=[Requests of this method only]:METHOD:_default' \
'--authority=[Requests for this authority only]:AUTHORITY:_default' \
'--path=[Requests for paths that start with this only]:PREFIX:_default' \
'-l+[Labels that the pods must have]:SELECTOR:_default' \
'--selector=[Labels that the pods must have]:SELECTOR:_default' \
'-o+[Output format\: wide or json]:FORMAT:_default' \
'--output=[Output format\: wide or json]:FORMAT:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
'*::resource -- Resource\: TYPE/NAME, or TYPE NAME:_default' \
&& ret=0
;;
(uninject)
_arguments "${_arguments_options[@]}" : \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::source -- File, directory, URL, or `-` for stdin:_default' \
&& ret=0
;;
(uninstall)
_arguments "${_arguments_options[@]}" : \
'-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'-f[Print them even if pods with a proxy are still running]' \
'--force[Print them even if pods with a proxy are still running]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(upgrade)
_arguments "${_arguments_options[@]}" : \
'--registry=[Registry and path of the project'\''s images]:REGISTRY:_default' \
'--controller-replicas=[Replicas of each component \[default\: 1; 3 with --ha\]]:N:_default' \
'--controller-log-level=[Log level of the control plane \[default\: info\]]:LEVEL:(panic fatal error warn info debug)' \
'--controller-uid=[User id of the control plane'\''s processes \[default\: 2103\]]:UID:_default' \
'--controller-gid=[Group id of the control plane'\''s processes]:GID:_default' \
'--enable-endpoint-slices=[Read endpoints from EndpointSlices \[default\: true\]]::BOOL:(true false)' \
'--prometheus-image=[Image of the bundled Prometheus]:IMAGE:_default' \
'--control-plane-version=[Version of the control plane'\''s images]:VERSION:_default' \
'--identity-trust-anchors-file=[File of trust anchors (PEM, one or more certificates)]:FILE:_files' \
'--identity-issuer-certificate-file=[File of the issuer'\''s certificate (PEM; intermediates may follow)]:FILE:_files' \
'--identity-issuer-key-file=[File of the issuer'\''s private key (PEM, ECDSA P-256)]:FILE:_files' \
'--identity-issuance-lifetime=[How long certificates of workloads last \[default\: 24h0m0s\]]:DURATION:_default' \
'--identity-clock-skew-allowance=[By how much clocks of the cluster may differ \[default\: 20s\]]:DURATION:_default' \
'-v+[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-version=[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-image=[Name of the proxy'\''s image]:IMAGE:_default' \
'--init-image=[Name of the init container'\''s image]:IMAGE:_default' \
'--init-image-version=[Version of the init container'\''s image]:VERSION:_default' \
'--image-pull-policy=[When to pull the images]:POLICY:(Always IfNotPresent Never)' \
'--inbound-port=[Port of redirected incoming traffic \[default\: 4143\]]:PORT:_default' \
'--outbound-port=[Port of redirected outgoing traffic \[default\: 4140\]]:PORT:_default' \
'*--skip-inbound-ports=[Incoming ports and ranges that bypass the proxy\: 22,6000-6100]:PORTS:_default' \
'*--skip-outbound-ports=[Outgoing ports and ranges that bypass the proxy]:PORTS:_default' \
'*--opaque-ports=[Ports whose protocol the proxy does not look at]:PORTS:_default' \
'--proxy-uid=[User id of the proxy \[default\: 2102\]]:UID:_default' \
'--proxy-gid=[Group id of the proxy]:GID:_default' \
'--proxy-log-level=[Log level of the proxy\: comma list of \`level\`, \`module\` or \`module=level\`]:LEVEL:_default' \
'--control-port=[Port of the proxy'\''s tap server \[default\: 4190\]]:PORT:_default' \
'--admin-port=[Port of the proxy'\''s metrics and probes \[default\: 4191\]]:PORT:_default' \
'--proxy-cpu-request=[CPU reserved for the proxy]:QUANTITY:_default' \
'--proxy-cpu-limit=[Most CPU the proxy may use]:QUANTITY:_default' \
'--proxy-memory-request=[Memory reserved for the proxy]:QUANTITY:_default' \
'--proxy-memory-limit=[Most memory the proxy may use]:QUANTITY:_default' \
'--default-inbound-policy=[What may reach ports without a policy of their own]:POLICY:(all-unauthenticated all-authenticated cluster-unauthenticated cluster-authenticated deny audit)' \
'--native-sidecar=[Run the proxy as a native sidecar (an init container that keeps running)]::BOOL:(true false)' \
'*-f+[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--values=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--config=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--set=[Set chart values, as in Helm\: key1=val1,key2.sub=val2]:KEY=VALUE:_default' \
'*--set-string=[Set chart values that stay strings\: key1=val1,key2=val2]:KEY=VALUE:_default' \
'*--set-file=[Set chart values from files\: key1=path1,key2=path2]:KEY=FILE:_default' \
'--addon-config=[Configuration file (YAML) of the add-ons grafana, prometheus and tracing]:FILE:_default' \
'--from-manifests=[Read the install from manifests (file, directory, URL or -) instead of the cluster]:SOURCE:_default' \
'(--diff)-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'(--diff)--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--crds[Print the custom resource definitions only]' \
'--linkerd-cni-enabled[Leave the redirection of traffic to the CNI plugin\: pods get no init container with NET_ADMIN]' \
'--restrict-dashboard-privileges[Take from the dashboard the rights to tap and to check]' \
'--ha[Run the components in triplicate with resources, anti-affinity and disruption budgets]' \
'--disable-h2-upgrade[Do not upgrade HTTP/1 between meshed pods to HTTP/2]' \
'--disable-heartbeat[Install no heartbeat]' \
'--omit-webhook-side-effects[Leave \`sideEffects\` out of the webhook configurations]' \
'--control-plane-tracing[Send the control plane'\''s own traces to the collector]' \
'--enable-external-profiles[Ask for profiles of names outside the cluster, too]' \
'--force[Render even if running proxies would not accept the new issuer]' \
'--addon-overwrite[Forget the recorded settings of the add-ons]' \
'--diff[Print what applying would change instead of the manifests]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_linkerd__subcmd__upgrade_commands" \
"*::: :->upgrade" \
&& ret=0

    case $state in
    (upgrade)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-upgrade-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
'--registry=[Registry and path of the project'\''s images]:REGISTRY:_default' \
'*-f+[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--values=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--config=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--set=[Set chart values, as in Helm\: key1=val1,key2.sub=val2]:KEY=VALUE:_default' \
'*--set-string=[Set chart values that stay strings\: key1=val1,key2=val2]:KEY=VALUE:_default' \
'*--set-file=[Set chart values from files\: key1=path1,key2=path2]:KEY=FILE:_default' \
'--addon-config=[Configuration file (YAML) of the add-ons grafana, prometheus and tracing]:FILE:_default' \
'--from-manifests=[Read the install from manifests (file, directory, URL or -) instead of the cluster]:SOURCE:_default' \
'(--diff)-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'(--diff)--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--linkerd-cni-enabled[Leave the redirection of traffic to the CNI plugin\: pods get no init container with NET_ADMIN]' \
'--restrict-dashboard-privileges[Take from the dashboard the rights to tap and to check]' \
'--force[Render even if running proxies would not accept the new issuer]' \
'--addon-overwrite[Forget the recorded settings of the add-ons]' \
'--diff[Print what applying would change instead of the manifests]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(control-plane)
_arguments "${_arguments_options[@]}" : \
'--registry=[Registry and path of the project'\''s images]:REGISTRY:_default' \
'--controller-replicas=[Replicas of each component \[default\: 1; 3 with --ha\]]:N:_default' \
'--controller-log-level=[Log level of the control plane \[default\: info\]]:LEVEL:(panic fatal error warn info debug)' \
'--controller-uid=[User id of the control plane'\''s processes \[default\: 2103\]]:UID:_default' \
'--controller-gid=[Group id of the control plane'\''s processes]:GID:_default' \
'--enable-endpoint-slices=[Read endpoints from EndpointSlices \[default\: true\]]::BOOL:(true false)' \
'--prometheus-image=[Image of the bundled Prometheus]:IMAGE:_default' \
'--control-plane-version=[Version of the control plane'\''s images]:VERSION:_default' \
'--identity-trust-anchors-file=[File of trust anchors (PEM, one or more certificates)]:FILE:_files' \
'--identity-issuer-certificate-file=[File of the issuer'\''s certificate (PEM; intermediates may follow)]:FILE:_files' \
'--identity-issuer-key-file=[File of the issuer'\''s private key (PEM, ECDSA P-256)]:FILE:_files' \
'--identity-issuance-lifetime=[How long certificates of workloads last \[default\: 24h0m0s\]]:DURATION:_default' \
'--identity-clock-skew-allowance=[By how much clocks of the cluster may differ \[default\: 20s\]]:DURATION:_default' \
'-v+[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-version=[Version of the proxy'\''s image]:VERSION:_default' \
'--proxy-image=[Name of the proxy'\''s image]:IMAGE:_default' \
'--init-image=[Name of the init container'\''s image]:IMAGE:_default' \
'--init-image-version=[Version of the init container'\''s image]:VERSION:_default' \
'--image-pull-policy=[When to pull the images]:POLICY:(Always IfNotPresent Never)' \
'--inbound-port=[Port of redirected incoming traffic \[default\: 4143\]]:PORT:_default' \
'--outbound-port=[Port of redirected outgoing traffic \[default\: 4140\]]:PORT:_default' \
'*--skip-inbound-ports=[Incoming ports and ranges that bypass the proxy\: 22,6000-6100]:PORTS:_default' \
'*--skip-outbound-ports=[Outgoing ports and ranges that bypass the proxy]:PORTS:_default' \
'*--opaque-ports=[Ports whose protocol the proxy does not look at]:PORTS:_default' \
'--proxy-uid=[User id of the proxy \[default\: 2102\]]:UID:_default' \
'--proxy-gid=[Group id of the proxy]:GID:_default' \
'--proxy-log-level=[Log level of the proxy\: comma list of \`level\`, \`module\` or \`module=level\`]:LEVEL:_default' \
'--control-port=[Port of the proxy'\''s tap server \[default\: 4190\]]:PORT:_default' \
'--admin-port=[Port of the proxy'\''s metrics and probes \[default\: 4191\]]:PORT:_default' \
'--proxy-cpu-request=[CPU reserved for the proxy]:QUANTITY:_default' \
'--proxy-cpu-limit=[Most CPU the proxy may use]:QUANTITY:_default' \
'--proxy-memory-request=[Memory reserved for the proxy]:QUANTITY:_default' \
'--proxy-memory-limit=[Most memory the proxy may use]:QUANTITY:_default' \
'--default-inbound-policy=[What may reach ports without a policy of their own]:POLICY:(all-unauthenticated all-authenticated cluster-unauthenticated cluster-authenticated deny audit)' \
'--native-sidecar=[Run the proxy as a native sidecar (an init container that keeps running)]::BOOL:(true false)' \
'*-f+[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--values=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--config=[File or URL of chart values (YAML); may be repeated, later ones win]:FILE:_default' \
'*--set=[Set chart values, as in Helm\: key1=val1,key2.sub=val2]:KEY=VALUE:_default' \
'*--set-string=[Set chart values that stay strings\: key1=val1,key2=val2]:KEY=VALUE:_default' \
'*--set-file=[Set chart values from files\: key1=path1,key2=path2]:KEY=FILE:_default' \
'--addon-config=[Configuration file (YAML) of the add-ons grafana, prometheus and tracing]:FILE:_default' \
'--from-manifests=[Read the install from manifests (file, directory, URL or -) instead of the cluster]:SOURCE:_default' \
'(--diff)-o+[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'(--diff)--output=[Output format]:FORMAT:((yaml\:"YAML documents, each behind \`---\`"
json\:"One JSON document an object"))' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--linkerd-cni-enabled[Leave the redirection of traffic to the CNI plugin\: pods get no init container with NET_ADMIN]' \
'--restrict-dashboard-privileges[Take from the dashboard the rights to tap and to check]' \
'--ha[Run the components in triplicate with resources, anti-affinity and disruption budgets]' \
'--disable-h2-upgrade[Do not upgrade HTTP/1 between meshed pods to HTTP/2]' \
'--disable-heartbeat[Install no heartbeat]' \
'--omit-webhook-side-effects[Leave \`sideEffects\` out of the webhook configurations]' \
'--control-plane-tracing[Send the control plane'\''s own traces to the collector]' \
'--enable-external-profiles[Ask for profiles of names outside the cluster, too]' \
'--force[Render even if running proxies would not accept the new issuer]' \
'--addon-overwrite[Forget the recorded settings of the add-ons]' \
'--diff[Print what applying would change instead of the manifests]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__upgrade__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-upgrade-help-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(control-plane)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(version)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the proxies to list (all, if not given)]:NAMESPACE:_default' \
'--namespace=[Namespace of the proxies to list (all, if not given)]:NAMESPACE:_default' \
'-L+[Namespace of the control plane]:NAMESPACE:_default' \
'--linkerd-namespace=[Namespace of the control plane]:NAMESPACE:_default' \
'--cni-namespace=[Namespace of the CNI plugin]:NAMESPACE:_default' \
'--kubeconfig=[Path to the kubeconfig file (else \$KUBECONFIG, then ~/.kube/config, then the pod'\''s own account)]:FILE:_files' \
'--context=[Context of the kubeconfig to use]:NAME:_default' \
'--as=[User to impersonate]:USER:_default' \
'*--as-group=[Group to impersonate; may be repeated]:GROUP:_default' \
'--api-addr=[Address (host\:port) of the control plane'\''s API, instead of a port-forward to it]:ADDR:_default' \
'--color=[When to colour the output]:WHEN:((auto\:"If the stream is a terminal and neither \`NO_COLOR\` nor \`TERM=dumb\` is set"
always\:"Always"
never\:"Never"))' \
'--short[Print the version numbers alone]' \
'--client[Print the version of this command only]' \
'--proxy[Print the versions of the proxies too]' \
'--verbose[Print more of what happens, on stderr]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-help-command-$line[1]:"
        case $line[1] in
            (authz)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(certs)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__help__subcmd__certs_commands" \
"*::: :->certs" \
&& ret=0

    case $state in
    (certs)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-help-certs-command-$line[1]:"
        case $line[1] in
            (create-anchor)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(create-issuer)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(check)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__help__subcmd__check_commands" \
"*::: :->check" \
&& ret=0

    case $state in
    (check)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-help-check-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(completion)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(doc)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(diagnostics)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__help__subcmd__diagnostics_commands" \
"*::: :->diagnostics" \
&& ret=0

    case $state in
    (diagnostics)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-help-diagnostics-command-$line[1]:"
        case $line[1] in
            (proxy-metrics)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(endpoints)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(policy)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(profile)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(identity)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(inject)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(install)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__help__subcmd__install_commands" \
"*::: :->install" \
&& ret=0

    case $state in
    (install)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-help-install-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(control-plane)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(install-cni)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(install-sp)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(profile)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(prune)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(stat)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(tap)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(uninject)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(uninstall)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(upgrade)
_arguments "${_arguments_options[@]}" : \
":: :_linkerd__subcmd__help__subcmd__upgrade_commands" \
"*::: :->upgrade" \
&& ret=0

    case $state in
    (upgrade)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:linkerd-help-upgrade-command-$line[1]:"
        case $line[1] in
            (config)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(control-plane)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(version)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_linkerd_commands] )) ||
_linkerd_commands() {
    local commands; commands=(
'authz:List authorizations for a resource' \
'certs:Make, check and list the certificates of the mesh' \
'check:Check the Linkerd installation for potential problems' \
'completion:Output shell completion code for the specified shell' \
'doc:Output the reference of all commands and annotations as YAML' \
'diagnostics:Commands used to diagnose Linkerd components' \
'identity:Display the certificate(s) of one or more selected pod(s)' \
'inject:Add the Linkerd proxy to a Kubernetes config' \
'install:Output Kubernetes configs to install Linkerd' \
'install-cni:Output Kubernetes configs to install the Linkerd CNI plugin' \
'install-sp:Output Kubernetes configs to install Linkerd service profiles' \
'profile:Output service profile config for Kubernetes' \
'prune:Output extraneous Kubernetes resources in the linkerd control plane' \
'stat:Display traffic stats about one or many resources' \
'tap:Listen to a traffic stream' \
'uninject:Remove the Linkerd proxy from a Kubernetes config' \
'uninstall:Output Kubernetes resources to uninstall the Linkerd control plane' \
'upgrade:Output Kubernetes configs to upgrade an existing Linkerd control plane' \
'version:Print the client and server version information' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__authz_commands] )) ||
_linkerd__subcmd__authz_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd authz commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs_commands] )) ||
_linkerd__subcmd__certs_commands() {
    local commands; commands=(
'create-anchor:Make a trust anchor\: a certificate that all proxies of a mesh trust, and its key' \
'create-issuer:Make an issuer, signed by a trust anchor\: what signs the certificates of workloads' \
'check:Check certificates and keys in files' \
'list:List the certificates of an installed control plane' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd certs commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__check_commands] )) ||
_linkerd__subcmd__certs__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs check commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__create-anchor_commands] )) ||
_linkerd__subcmd__certs__subcmd__create-anchor_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs create-anchor commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__create-issuer_commands] )) ||
_linkerd__subcmd__certs__subcmd__create-issuer_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs create-issuer commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__help_commands] )) ||
_linkerd__subcmd__certs__subcmd__help_commands() {
    local commands; commands=(
'create-anchor:Make a trust anchor\: a certificate that all proxies of a mesh trust, and its key' \
'create-issuer:Make an issuer, signed by a trust anchor\: what signs the certificates of workloads' \
'check:Check certificates and keys in files' \
'list:List the certificates of an installed control plane' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd certs help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__help__subcmd__check_commands] )) ||
_linkerd__subcmd__certs__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs help check commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__help__subcmd__create-anchor_commands] )) ||
_linkerd__subcmd__certs__subcmd__help__subcmd__create-anchor_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs help create-anchor commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__help__subcmd__create-issuer_commands] )) ||
_linkerd__subcmd__certs__subcmd__help__subcmd__create-issuer_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs help create-issuer commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__help__subcmd__help_commands] )) ||
_linkerd__subcmd__certs__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs help help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__help__subcmd__list_commands] )) ||
_linkerd__subcmd__certs__subcmd__help__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs help list commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__certs__subcmd__list_commands] )) ||
_linkerd__subcmd__certs__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd certs list commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__check_commands] )) ||
_linkerd__subcmd__check_commands() {
    local commands; commands=(
'config:Check what \`linkerd install config\` made' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd check commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__check__subcmd__config_commands] )) ||
_linkerd__subcmd__check__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd check config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__check__subcmd__help_commands] )) ||
_linkerd__subcmd__check__subcmd__help_commands() {
    local commands; commands=(
'config:Check what \`linkerd install config\` made' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd check help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__check__subcmd__help__subcmd__config_commands] )) ||
_linkerd__subcmd__check__subcmd__help__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd check help config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__check__subcmd__help__subcmd__help_commands] )) ||
_linkerd__subcmd__check__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd check help help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__completion_commands] )) ||
_linkerd__subcmd__completion_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd completion commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics_commands] )) ||
_linkerd__subcmd__diagnostics_commands() {
    local commands; commands=(
'proxy-metrics:Fetch metrics directly from Linkerd proxies' \
'endpoints:Introspect what the control plane discovers for addresses' \
'policy:Introspect the policy that the control plane gives for a port' \
'profile:Introspect the profile that the control plane gives for an address' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd diagnostics commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__endpoints_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__endpoints_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics endpoints commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__help_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__help_commands() {
    local commands; commands=(
'proxy-metrics:Fetch metrics directly from Linkerd proxies' \
'endpoints:Introspect what the control plane discovers for addresses' \
'policy:Introspect the policy that the control plane gives for a port' \
'profile:Introspect the profile that the control plane gives for an address' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd diagnostics help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__help__subcmd__endpoints_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__help__subcmd__endpoints_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics help endpoints commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__help__subcmd__help_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics help help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__help__subcmd__policy_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__help__subcmd__policy_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics help policy commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__help__subcmd__profile_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__help__subcmd__profile_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics help profile commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__help__subcmd__proxy-metrics_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__help__subcmd__proxy-metrics_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics help proxy-metrics commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__policy_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__policy_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics policy commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__profile_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__profile_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics profile commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__diagnostics__subcmd__proxy-metrics_commands] )) ||
_linkerd__subcmd__diagnostics__subcmd__proxy-metrics_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd diagnostics proxy-metrics commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__doc_commands] )) ||
_linkerd__subcmd__doc_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd doc commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help_commands] )) ||
_linkerd__subcmd__help_commands() {
    local commands; commands=(
'authz:List authorizations for a resource' \
'certs:Make, check and list the certificates of the mesh' \
'check:Check the Linkerd installation for potential problems' \
'completion:Output shell completion code for the specified shell' \
'doc:Output the reference of all commands and annotations as YAML' \
'diagnostics:Commands used to diagnose Linkerd components' \
'identity:Display the certificate(s) of one or more selected pod(s)' \
'inject:Add the Linkerd proxy to a Kubernetes config' \
'install:Output Kubernetes configs to install Linkerd' \
'install-cni:Output Kubernetes configs to install the Linkerd CNI plugin' \
'install-sp:Output Kubernetes configs to install Linkerd service profiles' \
'profile:Output service profile config for Kubernetes' \
'prune:Output extraneous Kubernetes resources in the linkerd control plane' \
'stat:Display traffic stats about one or many resources' \
'tap:Listen to a traffic stream' \
'uninject:Remove the Linkerd proxy from a Kubernetes config' \
'uninstall:Output Kubernetes resources to uninstall the Linkerd control plane' \
'upgrade:Output Kubernetes configs to upgrade an existing Linkerd control plane' \
'version:Print the client and server version information' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__authz_commands] )) ||
_linkerd__subcmd__help__subcmd__authz_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help authz commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__certs_commands] )) ||
_linkerd__subcmd__help__subcmd__certs_commands() {
    local commands; commands=(
'create-anchor:Make a trust anchor\: a certificate that all proxies of a mesh trust, and its key' \
'create-issuer:Make an issuer, signed by a trust anchor\: what signs the certificates of workloads' \
'check:Check certificates and keys in files' \
'list:List the certificates of an installed control plane' \
    )
    _describe -t commands 'linkerd help certs commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__certs__subcmd__check_commands] )) ||
_linkerd__subcmd__help__subcmd__certs__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help certs check commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__certs__subcmd__create-anchor_commands] )) ||
_linkerd__subcmd__help__subcmd__certs__subcmd__create-anchor_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help certs create-anchor commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__certs__subcmd__create-issuer_commands] )) ||
_linkerd__subcmd__help__subcmd__certs__subcmd__create-issuer_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help certs create-issuer commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__certs__subcmd__list_commands] )) ||
_linkerd__subcmd__help__subcmd__certs__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help certs list commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__check_commands] )) ||
_linkerd__subcmd__help__subcmd__check_commands() {
    local commands; commands=(
'config:Check what \`linkerd install config\` made' \
    )
    _describe -t commands 'linkerd help check commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__check__subcmd__config_commands] )) ||
_linkerd__subcmd__help__subcmd__check__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help check config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__completion_commands] )) ||
_linkerd__subcmd__help__subcmd__completion_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help completion commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__diagnostics_commands] )) ||
_linkerd__subcmd__help__subcmd__diagnostics_commands() {
    local commands; commands=(
'proxy-metrics:Fetch metrics directly from Linkerd proxies' \
'endpoints:Introspect what the control plane discovers for addresses' \
'policy:Introspect the policy that the control plane gives for a port' \
'profile:Introspect the profile that the control plane gives for an address' \
    )
    _describe -t commands 'linkerd help diagnostics commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__diagnostics__subcmd__endpoints_commands] )) ||
_linkerd__subcmd__help__subcmd__diagnostics__subcmd__endpoints_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help diagnostics endpoints commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__diagnostics__subcmd__policy_commands] )) ||
_linkerd__subcmd__help__subcmd__diagnostics__subcmd__policy_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help diagnostics policy commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__diagnostics__subcmd__profile_commands] )) ||
_linkerd__subcmd__help__subcmd__diagnostics__subcmd__profile_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help diagnostics profile commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__diagnostics__subcmd__proxy-metrics_commands] )) ||
_linkerd__subcmd__help__subcmd__diagnostics__subcmd__proxy-metrics_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help diagnostics proxy-metrics commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__doc_commands] )) ||
_linkerd__subcmd__help__subcmd__doc_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help doc commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__help_commands] )) ||
_linkerd__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__identity_commands] )) ||
_linkerd__subcmd__help__subcmd__identity_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help identity commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__inject_commands] )) ||
_linkerd__subcmd__help__subcmd__inject_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help inject commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__install_commands] )) ||
_linkerd__subcmd__help__subcmd__install_commands() {
    local commands; commands=(
'config:Output what needs the rights of a cluster administrator\: namespace, RBAC, definitions, webhooks' \
'control-plane:Output what the owner of the namespace installs\: configuration, services, workloads' \
    )
    _describe -t commands 'linkerd help install commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__install__subcmd__config_commands] )) ||
_linkerd__subcmd__help__subcmd__install__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help install config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__install__subcmd__control-plane_commands] )) ||
_linkerd__subcmd__help__subcmd__install__subcmd__control-plane_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help install control-plane commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__install-cni_commands] )) ||
_linkerd__subcmd__help__subcmd__install-cni_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help install-cni commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__install-sp_commands] )) ||
_linkerd__subcmd__help__subcmd__install-sp_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help install-sp commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__profile_commands] )) ||
_linkerd__subcmd__help__subcmd__profile_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help profile commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__prune_commands] )) ||
_linkerd__subcmd__help__subcmd__prune_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help prune commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__stat_commands] )) ||
_linkerd__subcmd__help__subcmd__stat_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help stat commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__tap_commands] )) ||
_linkerd__subcmd__help__subcmd__tap_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help tap commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__uninject_commands] )) ||
_linkerd__subcmd__help__subcmd__uninject_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help uninject commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__uninstall_commands] )) ||
_linkerd__subcmd__help__subcmd__uninstall_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help uninstall commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__upgrade_commands] )) ||
_linkerd__subcmd__help__subcmd__upgrade_commands() {
    local commands; commands=(
'config:Output what needs the rights of a cluster administrator' \
'control-plane:Output what the owner of the namespace installs' \
    )
    _describe -t commands 'linkerd help upgrade commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__upgrade__subcmd__config_commands] )) ||
_linkerd__subcmd__help__subcmd__upgrade__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help upgrade config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__upgrade__subcmd__control-plane_commands] )) ||
_linkerd__subcmd__help__subcmd__upgrade__subcmd__control-plane_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help upgrade control-plane commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__help__subcmd__version_commands] )) ||
_linkerd__subcmd__help__subcmd__version_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd help version commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__identity_commands] )) ||
_linkerd__subcmd__identity_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd identity commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__inject_commands] )) ||
_linkerd__subcmd__inject_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd inject commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install_commands] )) ||
_linkerd__subcmd__install_commands() {
    local commands; commands=(
'config:Output what needs the rights of a cluster administrator\: namespace, RBAC, definitions, webhooks' \
'control-plane:Output what the owner of the namespace installs\: configuration, services, workloads' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd install commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install__subcmd__config_commands] )) ||
_linkerd__subcmd__install__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd install config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install__subcmd__control-plane_commands] )) ||
_linkerd__subcmd__install__subcmd__control-plane_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd install control-plane commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install__subcmd__help_commands] )) ||
_linkerd__subcmd__install__subcmd__help_commands() {
    local commands; commands=(
'config:Output what needs the rights of a cluster administrator\: namespace, RBAC, definitions, webhooks' \
'control-plane:Output what the owner of the namespace installs\: configuration, services, workloads' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd install help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install__subcmd__help__subcmd__config_commands] )) ||
_linkerd__subcmd__install__subcmd__help__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd install help config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install__subcmd__help__subcmd__control-plane_commands] )) ||
_linkerd__subcmd__install__subcmd__help__subcmd__control-plane_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd install help control-plane commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install__subcmd__help__subcmd__help_commands] )) ||
_linkerd__subcmd__install__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd install help help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install-cni_commands] )) ||
_linkerd__subcmd__install-cni_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd install-cni commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__install-sp_commands] )) ||
_linkerd__subcmd__install-sp_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd install-sp commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__profile_commands] )) ||
_linkerd__subcmd__profile_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd profile commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__prune_commands] )) ||
_linkerd__subcmd__prune_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd prune commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__stat_commands] )) ||
_linkerd__subcmd__stat_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd stat commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__tap_commands] )) ||
_linkerd__subcmd__tap_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd tap commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__uninject_commands] )) ||
_linkerd__subcmd__uninject_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd uninject commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__uninstall_commands] )) ||
_linkerd__subcmd__uninstall_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd uninstall commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__upgrade_commands] )) ||
_linkerd__subcmd__upgrade_commands() {
    local commands; commands=(
'config:Output what needs the rights of a cluster administrator' \
'control-plane:Output what the owner of the namespace installs' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd upgrade commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__upgrade__subcmd__config_commands] )) ||
_linkerd__subcmd__upgrade__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd upgrade config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__upgrade__subcmd__control-plane_commands] )) ||
_linkerd__subcmd__upgrade__subcmd__control-plane_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd upgrade control-plane commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__upgrade__subcmd__help_commands] )) ||
_linkerd__subcmd__upgrade__subcmd__help_commands() {
    local commands; commands=(
'config:Output what needs the rights of a cluster administrator' \
'control-plane:Output what the owner of the namespace installs' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'linkerd upgrade help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__upgrade__subcmd__help__subcmd__config_commands] )) ||
_linkerd__subcmd__upgrade__subcmd__help__subcmd__config_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd upgrade help config commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__upgrade__subcmd__help__subcmd__control-plane_commands] )) ||
_linkerd__subcmd__upgrade__subcmd__help__subcmd__control-plane_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd upgrade help control-plane commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__upgrade__subcmd__help__subcmd__help_commands] )) ||
_linkerd__subcmd__upgrade__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd upgrade help help commands' commands "$@"
}
(( $+functions[_linkerd__subcmd__version_commands] )) ||
_linkerd__subcmd__version_commands() {
    local commands; commands=()
    _describe -t commands 'linkerd version commands' commands "$@"
}

if [ "$funcstack[1]" = "_linkerd" ]; then
    _linkerd "$@"
else
    compdef _linkerd linkerd
fi
