# Completion of kumoniwa(1) in bash.
_kumoniwa() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ $command == run && ${COMP_WORDS[i]} == -- ]]; then
            # What follows is a command line of its own.
            if declare -F _command_offset >/dev/null; then
                _command_offset $((i + 1))
            else
                mapfile -t COMPREPLY < <(compgen -c -- "$word")
            fi
            return
        fi
        [[ -z $command && ${COMP_WORDS[i]} != -* ]] && command=${COMP_WORDS[i]}
    done
    local words=
    case $command in
    '') words='serve run env status services logs iam reset clock credentials lambda doctor version help --help --version' ;;
    serve | run)
        case $previous in
        --data | --init)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
            ;;
        --config)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        --durability) words='process power' ;;
        --auth) words='open strict' ;;
        --iam) words='enforce audit off' ;;
        --log-level) words='error warn info debug' ;;
        --functions-network) words='none host' ;;
        --listen | --region | --threads | --endpoint | --functions-idle) ;;
        *)
            words='--listen --data --ephemeral --durability --region --auth --iam --threads --tls --endpoint --init
                --functions-network --functions-idle
                --log-level --config --quiet --help'
            [[ $command == run ]] && words+=' --'
            ;;
        esac
        ;;
    services) words="$(kumoniwa services 2>/dev/null | awk '{print $1}') --help" ;;
    clock) words='advance --help' ;;
    credentials) words='issue revoke --help' ;;
    iam) words='explain --help' ;;
    lambda) words='invoke --payload --debug --help' ;;
    help) words='serve run env status services logs iam reset clock credentials lambda doctor version' ;;
    *) words=--help ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _kumoniwa kumoniwa
