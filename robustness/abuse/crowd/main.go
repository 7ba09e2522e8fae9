// Crowd is a client that opens many waits, each for one of some locks, and waits. When its
// standard input ends, all its connections end with a TCP reset; when it is killed, they end
// as the system has them end. It says each answer's status, in a line; after one that the
// gateway or etcd is too busy, it asks again.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

func main() {
	url := flag.String("url", "", "what the locks' addresses begin with")
	waits := flag.Int("waits", 1, "how many")
	locks := flag.Int("locks", 1, "for how many locks, whose addresses end in their numbers")
	h2c := flag.Bool("h2c", false, "all on few connections, with HTTP/2")
	abreast := flag.Int("abreast", 64, "how many connections are opened at once")
	flag.Parse()
	// It would be on another machine: what it takes of this one's processors is not the
	// gateway's to answer for.
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 5); err != nil {
		log.Print(err)
	}

	var mu sync.Mutex
	var open []*net.TCPConn
	gone := false
	dialling := make(chan struct{}, *abreast)
	transport := &http.Transport{
		Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialling <- struct{}{}
			defer func() { <-dialling }()
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, conn.(*net.TCPConn))
			return conn, nil
		},
	}
	transport.Protocols.SetHTTP1(!*h2c)
	transport.Protocols.SetUnencryptedHTTP2(*h2c)
	client := &http.Client{Transport: transport}
	// ask waits for a lock once, and says whether to ask again.
	ask := func(url string) (again bool) {
		resp, err := client.Post(url, "", nil)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case gone:
			return false
		case err != nil:
			log.Print(err)
			return false
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode)
		return resp.StatusCode >= http.StatusInternalServerError
	}
	for i := range *waits {
		url := fmt.Sprintf("%s%d?ttl=60", *url, i%*locks)
		go func() {
			for ask(url) {
				time.Sleep(time.Second) // as Retry-After says
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	mu.Lock()
	gone = true
	for _, conn := range open {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
	mu.Unlock()
	fmt.Println("gone")
}
