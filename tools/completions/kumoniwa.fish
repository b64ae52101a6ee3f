# Completion of kumoniwa(1) in fish.
complete -c kumoniwa -f
set -l commands serve run env status services logs iam reset clock credentials lambda doctor version help
set -l first "not __fish_seen_subcommand_from $commands"
complete -c kumoniwa -n $first -a serve -d 'run the cloud in the foreground'
complete -c kumoniwa -n $first -a run -d 'run one command against a private, empty cloud'
complete -c kumoniwa -n $first -a env -d 'print the environment that points clients here'
complete -c kumoniwa -n $first -a status -d 'tell how the running cloud is'
complete -c kumoniwa -n $first -a services -d 'list services, or the operations of one'
complete -c kumoniwa -n $first -a logs -d 'show the last calls, or one by its request id'
complete -c kumoniwa -n $first -a iam -d 'explain why a call was denied'
complete -c kumoniwa -n $first -a reset -d 'forget everything that the services keep'
complete -c kumoniwa -n $first -a clock -d 'show the clock of the cloud, or advance it'
complete -c kumoniwa -n $first -a credentials -d 'issue or revoke an access key'
complete -c kumoniwa -n $first -a lambda -d 'invoke a function, with a debugger if wanted'
complete -c kumoniwa -n $first -a doctor -d 'look for what could be wrong on this machine'
complete -c kumoniwa -n $first -a version -d 'print the version'
complete -c kumoniwa -n $first -a help -d 'tell more of a command'
set -l serving '__fish_seen_subcommand_from serve run'
complete -c kumoniwa -n $serving -l listen -x -d 'where to answer: ADDRESS:PORT'
complete -c kumoniwa -n $serving -l data -r -a '(__fish_complete_directories)' -d 'where to keep everything'
complete -c kumoniwa -n $serving -l ephemeral -d 'keep nothing'
complete -c kumoniwa -n $serving -l durability -x -a 'process power' -d 'what an acknowledged write survives'
complete -c kumoniwa -n $serving -l region -x -d 'for requests that name none'
complete -c kumoniwa -n $serving -l auth -x -a 'open strict' -d 'what unknown keys are'
complete -c kumoniwa -n $serving -l iam -x -a 'enforce audit off' -d 'whether policies decide'
complete -c kumoniwa -n $serving -l threads -x -d 'worker threads'
complete -c kumoniwa -n $serving -l tls -d HTTPS
complete -c kumoniwa -n $serving -l endpoint -x -d 'how clients reach this server'
complete -c kumoniwa -n $serving -l init -r -a '(__fish_complete_directories)' -d 'directory of init hooks'
complete -c kumoniwa -n $serving -l functions-network -x -a 'none host' -d 'what functions reach'
complete -c kumoniwa -n $serving -l functions-idle -x -d 'how long unused environments are kept'
complete -c kumoniwa -n $serving -l log-level -x -a 'error warn info debug' -d 'what is logged'
complete -c kumoniwa -n $serving -l config -r -F -d 'file of settings'
complete -c kumoniwa -n $serving -l quiet -d 'no line at the start'
complete -c kumoniwa -n '__fish_seen_subcommand_from services' -a '(kumoniwa services 2>/dev/null | string match -r "^\S+")'
complete -c kumoniwa -n '__fish_seen_subcommand_from clock' -a advance
complete -c kumoniwa -n '__fish_seen_subcommand_from credentials' -a 'issue revoke'
complete -c kumoniwa -n '__fish_seen_subcommand_from iam' -a explain
complete -c kumoniwa -n '__fish_seen_subcommand_from lambda' -a invoke
complete -c kumoniwa -l help -d 'tell more'
