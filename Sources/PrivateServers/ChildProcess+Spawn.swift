import Foundation

#if canImport(Glibc)
    import Glibc
#endif

extension ChildProcess {
    /// `posix_spawn` with everything a server needs; returns 0 or the error number.
    static func spawn(_ launch: Launch, input: Int32?, output: Int32?, into child: inout pid_t) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        guard posix_spawn_file_actions_init(&actions) == 0 else { return ENOMEM }
        defer { posix_spawn_file_actions_destroy(&actions) }
        var attributes = posix_spawnattr_t()
        guard posix_spawnattr_init(&attributes) == 0 else { return ENOMEM }
        defer { posix_spawnattr_destroy(&attributes) }

        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        if let output {
            posix_spawn_file_actions_adddup2(&actions, output, 1)
            posix_spawn_file_actions_adddup2(&actions, output, 2)
        } else if let log = launch.log {
            posix_spawn_file_actions_addopen(&actions, 1, log.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        // Every descriptor of ours that is not marked to close by itself. glibc lets pass a number that was closed meanwhile.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            if let descriptor = Int32(name), descriptor > 2 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        }

        // Ignored and blocked signals pass through exec: a server that ignores SIGTERM could not be stopped, nor the guard end it.
        var none = sigset_t()
        sigemptyset(&none)
        var every = sigset_t()
        sigfillset(&every)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &every)
        let setSession: Int32 = 0x80  // POSIX_SPAWN_SETSID of glibc, which the Glibc module does not carry on every version
        posix_spawnattr_setflags(&attributes, Int16(Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | setSession))

        // env changes the folder and becomes the program: the process id stays.
        let command = ["/usr/bin/env", "-C", launch.directory.path, launch.executable] + launch.arguments
        return withCStrings(command) { arguments in
            withCStrings(launch.environment.map { "\($0.key)=\($0.value)" }.sorted()) { environment in
                posix_spawn(&child, command[0], &actions, &attributes, arguments, environment)
            }
        }
    }

    /// Lends a null-terminated array of C strings, as `exec` wants it.
    private static func withCStrings<Result>(
        _ strings: [String],
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { buffer in
            // The buffer holds at least the terminating nil, so it has a base address.
            buffer.baseAddress.map(body) ?? withUnsafePointer(to: nil, body)
        }
    }
}
