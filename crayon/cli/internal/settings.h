// Defaults from crayon.toml. A key at the top of the file is a default for each subcommand that has
// the flag; a table [ask] or [pool.verify] is for that subcommand alone and wins. A table named
// after the first word of flags stands for them: daily-calls in [budget] is --budget-daily-calls.
// Flags beat the environment (CRAYON_<FLAG>), the environment beats the file. Tables [[server]]
// (url, model, key-file, ca-file, price) are the servers in order, as --server-url and its kin name
// them; all of them are left out where a URL is given by flag or environment, so that no key
// reaches another's server.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <set>
#include <string>

namespace crayon {

/// The file that is read: crayon.toml in the working folder, else
/// $XDG_CONFIG_HOME/crayon/crayon.toml (~/.config/...).
[[nodiscard]] std::filesystem::path default_settings_file();

/// Lets `app` read such a file, and each flag of each subcommand its environment variable.
/// Call after all subcommands are added. A default that a flag of the command line excludes is left
/// out; two that exclude each other are an error.
/// @param typed  long names of the flags on the command line
void add_settings(CLI::App& app, const std::set<std::string>& typed);

}  // namespace crayon
