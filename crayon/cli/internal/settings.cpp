#include "crayon/cli/internal/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <CLI/Config.hpp>
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <sstream>

#include "crayon/base/error.h"
#include "crayon/base/nearest.h"

namespace crayon {
namespace {

constexpr const char* kServers = "server";
constexpr const char* kServerKeys[] = {"url", "model", "key-file", "ca-file", "price"};

/// The flags of a subcommand by their long names, without dashes.
std::vector<std::string> flag_names(const CLI::App& cmd) {
  std::vector<std::string> names;
  for (const CLI::Option* option : cmd.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  return names;
}

void visit(CLI::App& app, const std::function<void(CLI::App&)>& use) {
  for (CLI::App* cmd : app.get_subcommands([](CLI::App*) { return true; })) {
    use(*cmd);
    visit(*cmd, use);
  }
}

/// crayon.toml as the items that CLI11 takes.
class TomlSettings : public CLI::Config {
 public:
  explicit TomlSettings(CLI::App& app) : app_(app) {}

  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    std::stringstream text;
    text << in.rdbuf();
    try {
      const toml::table table = toml::parse(text.str());
      check_top(table);
      std::vector<CLI::ConfigItem> found;
      collect(app_, table, {}, found);
      return found;
    } catch (const toml::parse_error& error) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{}:{}: not TOML: {}", file(), error.source().begin.line,
                              std::string(error.description())));
    }
  }

 private:
  [[nodiscard]] std::string file() const {
    const CLI::Option* option = app_.get_config_ptr();
    return option->count() > 0 ? option->as<std::string>() : option->get_default_str();
  }

  [[noreturn]] void unknown(const toml::node& node, const std::string& key,
                            const std::vector<std::string>& known) const {
    const auto near = nearest_names(key, known);
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}:{}: unknown key '{}'; {}", file(), node.source().begin.line, key,
                            near.empty() ? "expected a flag without its dashes, or a table named "
                                           "after a subcommand"
                                         : fmt::format("did you mean {}?", fmt::join(near, ", "))));
  }

  /// A key at the top must be a flag of some subcommand, a table a subcommand.
  void check_top(const toml::table& table) const {
    std::vector<std::string> flags;
    visit(app_, [&](CLI::App& cmd) {
      for (std::string& name : flag_names(cmd)) flags.push_back(std::move(name));
    });
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == kServers) {
        check_servers(table);
      } else if (!node.is_table() && std::ranges::find(flags, name) == flags.end()) {
        unknown(node, name, flags);
      }
    }
    check_tables(app_, table);
  }

  /// Tables [[server]], each with a url and other keys of a server only; no list beside them.
  void check_servers(const toml::table& top) const {
    const toml::node& node = *top.get(kServers);
    const toml::array* servers = node.as_array();
    if (servers == nullptr || !servers->is_homogeneous(toml::node_type::table)) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{}:{}: 'server' is of another kind; expected tables [[server]], "
                              "each with a url",
                              file(), node.source().begin.line));
    }
    for (const toml::node& server : *servers) {
      for (const auto& [key, value] : *server.as_table()) {
        const std::vector<std::string> known(std::begin(kServerKeys), std::end(kServerKeys));
        const std::string name(key.str());
        if (std::ranges::find(known, name) == known.end()) unknown(value, name, known);
      }
      if (!server.as_table()->contains("url")) {
        throw Error(ErrorCode::InvalidArgument,
                    fmt::format("{}:{}: a [[server]] without a url; expected url = 'https://HOST'",
                                file(), server.source().begin.line));
      }
    }
    for (const char* key : kServerKeys) {
      const toml::node* both = top.get("server-" + std::string(key));
      if (both == nullptr) continue;
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{}:{}: 'server-{}' beside [[server]]; write it into those tables",
                              file(), both->source().begin.line, key));
    }
  }

  void check_tables(CLI::App& app, const toml::table& table) const {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (!node.is_table() || (name == kServers && &app == &app_)) continue;
      const auto matches =
          app.get_subcommands([&](CLI::App* sub) { return sub->get_name() == name; });
      CLI::App* cmd = matches.empty() ? nullptr : matches.front();
      if (cmd == nullptr) {
        check_group(app, node, name);
        continue;
      }
      const auto flags = flag_names(*cmd);
      for (const auto& [inner, value] : *node.as_table()) {
        const std::string flag(inner.str());
        if (!value.is_table() && std::ranges::find(flags, flag) == flags.end()) {
          unknown(value, flag, flags);
        }
      }
      check_tables(*cmd, *node.as_table());
    }
  }

  /// A table that stands for the flags whose first word is its name.
  void check_group(CLI::App& app, const toml::node& node, const std::string& name) const {
    std::vector<std::string> known;
    const auto collect_known = [&](CLI::App& cmd) {
      for (const std::string& flag : flag_names(cmd)) {
        if (flag.starts_with(name + "-")) known.push_back(flag.substr(name.size() + 1));
      }
    };
    collect_known(app);
    visit(app, collect_known);
    if (known.empty()) unknown(node, name, names_of(app));
    for (const auto& [inner, value] : *node.as_table()) {
      const std::string key(inner.str());
      if (std::ranges::find(known, key) == known.end()) unknown(value, key, known);
    }
  }

  /// A flag's value in a table: under its name, or without its first word in the table of that.
  static const toml::node* value_of(const toml::table* table, const std::string& flag) {
    if (table == nullptr) return nullptr;
    if (const toml::node* node = table->get(flag)) return node;
    const auto dash = flag.find('-');
    if (dash == std::string::npos) return nullptr;
    const toml::node* group = table->get(flag.substr(0, dash));
    return group != nullptr && group->is_table() ? group->as_table()->get(flag.substr(dash + 1))
                                                 : nullptr;
  }

  static std::vector<std::string> names_of(CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* cmd : app.get_subcommands([](CLI::App*) { return true; })) {
      names.push_back(cmd->get_name());
    }
    return names;
  }

  /// Items for the subcommands that were called, their own table before the top of the file:
  /// CLI11 takes the first value of a flag.
  void collect(CLI::App& app, const toml::table& top, const std::vector<std::string>& path,
               std::vector<CLI::ConfigItem>& found) const {
    for (CLI::App* cmd : app.get_subcommands()) {
      std::vector<std::string> here = path;
      here.push_back(cmd->get_name());
      const toml::table* own = &top;
      for (const std::string& name : here) {
        if (own != nullptr) own = (*own)[name].as_table();
      }
      for (CLI::Option* option : cmd->get_options()) {
        for (const std::string& name : option->get_lnames()) {
          const toml::node* node = value_of(own, name);
          if (node == nullptr) node = value_of(&top, name);
          if (node == nullptr || in_environment(*option) || overruled(*option)) continue;
          found.push_back(item(here, name, *node));
        }
      }
      collect_servers(*cmd, top, own, here, found);
      collect(*cmd, top, here, found);
    }
  }

  /// The tables [[server]] as the lists of flags that they stand for.
  void collect_servers(const CLI::App& cmd, const toml::table& top, const toml::table* own,
                       const std::vector<std::string>& path,
                       std::vector<CLI::ConfigItem>& found) const {
    const toml::node* node = top.get(kServers);
    const CLI::Option* url = cmd.get_option_no_throw("--server-url");
    if (node == nullptr || url == nullptr) return;
    for (const char* key : kServerKeys) {  // other servers, and keys for them, may be named there
      const std::string flag = "server-" + std::string(key);
      const CLI::Option* option = cmd.get_option_no_throw("--" + flag);
      if (option->count() > 0 || in_environment(*option)) return;
      if (own != nullptr && own != &top && own->contains(flag)) return;
    }
    for (const char* key : kServerKeys) {
      CLI::ConfigItem item;
      item.parents = path;
      item.name = "server-" + std::string(key);
      for (const toml::node& server : *node->as_array()) {
        const toml::node* value = server.as_table()->get(key);
        item.inputs.push_back(value == nullptr ? "-" : text(key, *value));
      }
      found.push_back(std::move(item));
    }
  }

  /// Does the command line or the environment, which are stronger, hold what excludes it?
  static bool overruled(const CLI::Option& option) {
    const auto excludes = option.get_excludes();
    return std::ranges::any_of(excludes, [](const CLI::Option* other) {
      return other->count() > 0 || in_environment(*other);
    });
  }

  static bool in_environment(const CLI::Option& option) {
    const std::string name = option.get_envname();
    if (name.empty()) return false;
    const char* value = std::getenv(name.c_str());
    return value != nullptr && *value != '\0';
  }

  [[nodiscard]] CLI::ConfigItem item(const std::vector<std::string>& parents,
                                     const std::string& name, const toml::node& node) const {
    CLI::ConfigItem out;
    out.parents = parents;
    out.name = name;
    if (const toml::array* list = node.as_array()) {
      for (const toml::node& value : *list) out.inputs.push_back(text(name, value));
    } else {
      out.inputs.push_back(text(name, node));
    }
    return out;
  }

  [[nodiscard]] std::string text(const std::string& name, const toml::node& node) const {
    if (const auto* value = node.as_string()) return value->get();
    if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
    if (const auto* value = node.as_integer()) return fmt::format("{}", value->get());
    if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}:{}: the value of '{}' is no text, number or truth value", file(),
                            node.source().begin.line, name));
  }

  CLI::App& app_;
};

/// "--server-url" reads CRAYON_SERVER_URL.
std::string environment_name(const std::string& flag) {
  std::string name = "CRAYON_";
  for (const char c : flag) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

}  // namespace

std::filesystem::path default_settings_file() {
  if (std::filesystem::is_regular_file("crayon.toml")) return "crayon.toml";
  const auto folder = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value != nullptr && *value == '/' ? value : "";
  };
  std::filesystem::path base = folder("XDG_CONFIG_HOME");
  if (base.empty() && !folder("HOME").empty()) base = folder("HOME") / ".config";
  return base.empty() ? std::filesystem::path("crayon.toml") : base / "crayon" / "crayon.toml";
}

void add_settings(CLI::App& app, const std::set<std::string>& typed) {
  app.set_config("--settings", default_settings_file().string(),
                 "File with defaults for flags: crayon.toml");
  app.config_formatter(std::make_shared<TomlSettings>(app));
  const auto is_typed = [&](const CLI::Option* option) {
    return std::ranges::any_of(option->get_lnames(),
                               [&](const std::string& name) { return typed.contains(name); });
  };
  visit(app, [&](CLI::App& cmd) {
    for (CLI::Option* option : cmd.get_options()) {
      if (option->get_lnames().empty() || option->get_lnames().front() == "help") continue;
      const auto excludes = option->get_excludes();
      if (std::ranges::any_of(excludes, is_typed)) continue;
      option->envname(environment_name(option->get_lnames().front()));
    }
  });
}

}  // namespace crayon
