// Reads a configuration with kind's own loader and validates it as `kind create cluster` does.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
)

func main() {
	cluster, err := encoding.Load(os.Args[1])
	if err == nil {
		cluster.Name = "capscan" // what the file's own comment gives as --name
		err = cluster.Validate()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d node(s), %s\n", len(cluster.Nodes), cluster.Nodes[0].Image)
}
