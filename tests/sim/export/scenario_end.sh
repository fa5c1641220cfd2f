
wait_for_peace
echo "the scenario is over; 'ilp-connector status --config network.yaml' shows the balances"
