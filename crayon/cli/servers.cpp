// The flags that name the larger LLM's servers, and the client they make.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/log.h"
#include "crayon/base/text.h"
#include "crayon/cli/common.h"
#include "crayon/cli/internal/finite.h"

namespace crayon {
namespace {

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

CLI::Option* add_list(CLI::App& cmd, const std::string& flag, std::vector<std::string>& values,
                      const std::string& help) {
  // One value for each flag: a question may stand behind it.
  return cmd.add_option(flag, values, help)->allow_extra_args(false);
}

/// Entry i of a list; "" for none.
std::string entry(const std::vector<std::string>& list, std::size_t i) {
  return list.empty() || list[i] == "-" ? "" : list[i];
}

void check_length(const ServerArgs& args, const char* flag, const std::vector<std::string>& list) {
  if (list.empty() || list.size() == args.url.size()) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{} is given {} times, and --server-url {} times; give one for each URL "
                          "in the same order, - for none",
                          flag, list.size(), args.url.size()));
}

double parse_amount(std::string_view text, const std::string& whole) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
      value < 0) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("--server-price '{}': expected the price of a million tokens, as "
                            "PROMPT:ANSWER (0.15:0.60) or one finite number for both",
                            whole));
  }
  return value;
}

Price parse_price(const std::string& text) {
  if (text.empty()) return {};
  const std::string_view view(text);
  const auto colon = view.find(':');
  const double prompt = parse_amount(view.substr(0, colon), text);
  if (colon == std::string_view::npos) return {prompt, prompt};
  return {prompt, parse_amount(view.substr(colon + 1), text)};
}

void warn_open_key(const RemoteServer& server) {
  const std::string url = lowered(server.url);
  if (server.key.empty() || !url.starts_with("http://")) return;
  for (const char* own : {"http://127.", "http://localhost", "http://[::1]"}) {
    if (url.starts_with(own)) return;
  }
  log_warning(server.url +
              ": the key and the questions go there unencrypted; use https if you can");
}

}  // namespace

void add_server_options(CLI::App& cmd, ServerArgs& args) {
  add_list(cmd, "--server-url", args.url,
           "Larger LLM: base URL of an OpenAI-compatible server; again for others, asked in order");
  add_list(cmd, "--server-model", args.model, "Its model; default: the first one it lists");
  add_list(cmd, "--server-key-file", args.key_file,
           "File with its key; else the environment's CRAYON_SERVER_KEY, for the first URL");
  add_list(cmd, "--server-ca-file", args.ca_file,
           "PEM file of the authorities that its certificate may come from, not the system's");
  add_list(cmd, "--server-price", args.price,
           "What a million tokens cost there: PROMPT:ANSWER, or one number for both");
  cmd.add_option("--server-share", args.share, "Share of requests that the server may answer")
      ->check(finite_range(0, 1));
  cmd.add_option("--server-timeout", args.timeout_s,
                 "Seconds for a whole answer, all servers and retries together")
      ->check(finite_range(0.1, 86400));
}

std::vector<RemoteServer> server_list(const ServerArgs& args) {
  check_length(args, "--server-model", args.model);
  check_length(args, "--server-key-file", args.key_file);
  check_length(args, "--server-ca-file", args.ca_file);
  check_length(args, "--server-price", args.price);
  std::vector<RemoteServer> servers;
  for (std::size_t i = 0; i < args.url.size(); ++i) {
    const std::string key_file = entry(args.key_file, i);
    const bool from_environment = args.key_file.empty() && i == 0;
    servers.push_back({.url = args.url[i],
                       .model = entry(args.model, i),
                       .key = key_file.empty() && !from_environment
                                  ? ""
                                  : read_key(key_file, "CRAYON_SERVER_KEY"),
                       .ca_file = entry(args.ca_file, i),
                       .price = parse_price(entry(args.price, i))});
  }
  return servers;
}

std::unique_ptr<Remote> open_remote(const ServerArgs& args) {
  if (args.url.empty()) {
    if (!args.share) return nullptr;
    throw Error(ErrorCode::InvalidArgument,
                "--server-share is given, but no server; add --server-url URL");
  }
  RemoteOptions options;
  options.servers = server_list(args);
  for (const RemoteServer& server : options.servers) warn_open_key(server);
  options.timeouts.total = milliseconds(args.timeout_s);
  options.timeouts.first_byte = std::min(options.timeouts.total, options.timeouts.first_byte);
  options.timeouts.connect = std::min(options.timeouts.total, options.timeouts.connect);
  return std::make_unique<Remote>(std::move(options));
}

}  // namespace crayon
