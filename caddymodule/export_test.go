package caddymodule

// For the tests in package caddymodule_test, which need package embedded.

// References is how many references there are to connections, one number for
// each connection.
func References() []int {
	var references []int
	connections.Range(func(key, _ any) bool {
		if n, ok := connections.References(key); ok {
			references = append(references, n)
		}
		return true
	})
	return references
}

// EndLife does what the end of the process does.
func EndLife() { lives.endAll() }

// AwaitClosing waits for connections that are being closed.
func AwaitClosing() { awaitClosing() }
