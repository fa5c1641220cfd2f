
wait_for_peace
[ "$failed" = 0 ] || { echo "in peace, $failed packets had to be fulfilled, and were not"; exit 1; }
echo "the scenario is over; 'ilp-connector status --config network.yaml' shows the balances"
