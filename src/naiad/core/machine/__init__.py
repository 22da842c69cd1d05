"""What a process may use of the machine, and how it uses it: cores, memory, threads, child processes, folders."""
