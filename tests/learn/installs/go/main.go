package main

import (
	"code.corp.example/drawer"
	"code.corp.example/till"
)

// https://counter.corp.example/ tells what it is for.
func main() {
	println(till.Count() + drawer.Count())
}
