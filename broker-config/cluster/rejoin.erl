%% Read by each node of a cluster when it starts (rabbitmq-env.conf): a node that hangs on its way back into the cluster ends itself,
%% and systemd, which starts a node that failed anew (Restart=on-failure), brings it back whole.
%%
%% Why: RabbitMQ before 4.3 asks Erlang's `global` to agree with the other nodes while it starts (global:sync/0). After a partition
%% `global` may wait for an answer that was given before the network was whole, for ever. RabbitMQ has a remedy against that, which
%% Erlang from 25.1 on no longer understands (rabbitmq-server#6034; Debian 12 brings RabbitMQ 3.10.8 on Erlang 25.2). What is looked
%% for is that very wait, 30 s long, and nothing else: waiting for other nodes or for a long recovery of queues is left alone. What was
%% confirmed lies on disk.
spawn(fun() ->
    Waits = fun(Process) ->
        case process_info(Process, current_stacktrace) of
            {current_stacktrace, Calls} -> [1 || {rabbit_node_monitor, global_sync, 0, _} <- Calls] =/= [];
            undefined -> false
        end
    end,
    Hangs = fun() -> (catch rabbit_boot_state:get()) =:= booting andalso lists:any(Waits, processes()) end,
    Watch = fun Watch(Turns) ->
        timer:sleep(5000),
        case Hangs() of
            true when Turns >= 5 ->
                logger:error("this node hangs in global:sync on its way back into the cluster: it ends, to be started anew"),
                timer:sleep(1000),
                erlang:halt(1, [{flush, false}]);
            true -> Watch(Turns + 1);
            false -> Watch(0)
        end
    end,
    Watch(0)
end).
