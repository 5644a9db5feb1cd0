// A client of OpenAI-compatible servers, asked in order: the larger LLM. One deadline holds for all
// servers and retries of a call together; docs/design/remote.md says what is asked again, and when.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/http/client.h"
#include "crayon/prompt/example.h"

namespace crayon {

namespace wire {
struct Ask;
}

/// Of a million tokens, in whatever currency the user thinks in.
struct Price {
  double prompt = 0;
  double completion = 0;
};
[[nodiscard]] double cost(const Price& price, int prompt_tokens, int completion_tokens);

struct RemoteServer {
  std::string url{};    ///< Base URL; "/v1" is added unless its path has a version already.
  std::string model{};  ///< "" asks the server for its first model.
  std::string key{};    ///< Bearer token; never logged, never in a message.
  std::filesystem::path ca_file{};  ///< Authorities to trust in place of the system's; PEM.
  Price price{};
};

struct RetryOptions {
  int retries = 2;  ///< Further rounds through the servers that may be asked again.
  std::chrono::milliseconds first_wait{
      250};  ///< Doubled each round, of which 50 to 100 % is waited.
  std::chrono::milliseconds longest_wait{8000};  ///< A server's own Retry-After may be longer.
};

/// When a server that keeps failing is left alone, and for how long.
struct BreakerOptions {
  int failures = 5;  ///< In a row.
  std::chrono::milliseconds first_rest{
      5000};  ///< Doubled each time that the one probe behind it fails.
  std::chrono::milliseconds longest_rest{300000};
};

struct RemoteOptions {
  std::vector<RemoteServer> servers{};  ///< The first one that answers is taken.
  HttpTimeouts timeouts{};              ///< `total` is for all servers and retries together.
  RetryOptions retry{};
  BreakerOptions breaker{};
  std::size_t max_answer_bytes = 16u << 20;
  NameLookUp look_up{};  ///< In place of the system's.
};

struct ChatOptions {
  int max_tokens = 256;
  double temperature = 0;
  int top_log_probs = 0;  ///< 0: do not ask for log-probs. Left out for a server that refuses them.
};

struct RemoteToken {
  std::string text{};
  double log_prob = 0;
  std::vector<std::pair<std::string, double>> top{};  ///< As the server orders them.
};

struct RemoteAnswer {
  std::string text{};
  std::string model{};
  std::string finish_reason{};        ///< As the server says ("stop", "length"), or "cancelled".
  std::vector<RemoteToken> tokens{};  ///< Where the server gives log-probs.
  int prompt_tokens = 0;              ///< 0 where the server does not say.
  int completion_tokens = 0;  ///< Where it does not say: the pieces of a stream, about one a token.
  bool usage_reported = false;  ///< The server said both numbers.
  std::size_t server = 0;       ///< Which of RemoteOptions::servers answered.
  double cost = 0;              ///< By its price.
};

/// A piece of the answer as it comes; false cancels.
using OnText = std::function<bool(std::string_view)>;

/// A socket that is about to be opened on behalf of a call.
struct SendIntent {
  std::size_t server = 0;  ///< Which of RemoteOptions::servers.
  std::string origin{};    ///< "https://host:port"
  std::string model{};     ///< "" while the server is only asked which models it has.
  Price price{};
  int attempt = 0;  ///< Sockets opened for this call before this one.
};

struct SendVerdict {
  bool may = false;
  std::string reason{};  ///< Why not; holds no text of the user.
};
/// The last check before a socket opens; called for each. A refusal leaves that server out; what it
/// throws means that the call must stay: no server is asked any more.
using MaySend = std::function<SendVerdict(const SendIntent&)>;

/// A call that may not leave: MaySend refused it for all servers, or failed.
class MustStay : public Error {
 public:
  MustStay(const std::string& reason, bool check_failed)
      : Error(ErrorCode::Unavailable, reason), check_failed_(check_failed) {}
  [[nodiscard]] bool check_failed() const noexcept { return check_failed_; }

 private:
  bool check_failed_;
};

/// One request that a server had a turn for, when it has ended. A turn has several where a server
/// refuses an extra of ours (log-probs, usage in a stream) and is asked again without it.
struct RemoteAttempt {
  std::size_t server = 0;
  std::string origin{};
  std::string model{};
  bool sent = false;    ///< Something of the question may have left: it may have cost.
  std::string error{};  ///< Empty when it answered, or was cancelled; holds no text of the user.
  int status = 0;       ///< HTTP's, where it refused.
  int prompt_tokens = 0;
  int completion_tokens = 0;  ///< As in RemoteAnswer; of a stream that broke off too.
  bool usage_reported = false;
  double cost = 0;
  double seconds = 0;
};

/// What a caller hears of a call, and says to it. Each may be empty.
struct RemoteHooks {
  OnText on_text{};  ///< Given: the answer is streamed.
  MaySend may_send{};
  std::function<void(const RemoteAttempt&)> on_attempt{};
  /// Asked every 50 ms or so, also from another thread; true, or a throw, ends the call.
  std::function<bool()> cancelled{};
};

class Endpoint;

/// Safe to use from several threads. Copies share what was learnt of the servers.
class Remote {
 public:
  /// @throws Error InvalidArgument, NotFound, Unsupported  no server; a URL or CA file, as
  /// HttpClient
  explicit Remote(RemoteOptions options);
  explicit Remote(RemoteServer only, HttpTimeouts timeouts = {});

  /// Chat completion; streamed when `on_text` is given. Another server, or the same one again, is
  /// asked only as long as no text was given to the caller.
  /// @throws MustStay  `may_send` refused or failed
  /// @throws Error Unavailable  down, slow, 429, 5xx, broken stream, wrong key (401, 403: says so);
  ///         InvalidArgument  the server refuses the request (400, 413, 422), its message quoted
  ///         unless it repeats the texts that were sent, or the key;
  ///         NotFound  404: no such model or path;
  ///         CorruptFile  an answer that is not the API's, with what was found.
  ///         Of several servers: the last one's code, and what became of each
  [[nodiscard]] RemoteAnswer chat(const std::vector<ChatMessage>& messages,
                                  const ChatOptions& options, const RemoteHooks& hooks);
  [[nodiscard]] RemoteAnswer chat(const std::vector<ChatMessage>& messages,
                                  const ChatOptions& options, const OnText& on_text = {});
  /// Plain completion of a prompt (/v1/completions).
  [[nodiscard]] RemoteAnswer complete(const std::string& prompt, const ChatOptions& options,
                                      const RemoteHooks& hooks);
  [[nodiscard]] RemoteAnswer complete(const std::string& prompt, const ChatOptions& options,
                                      const OnText& on_text = {});
  /// The names of the models, in its order, of the first server that answers; asked once each.
  /// @param hooks  `may_send` and `cancelled` are heard. @throws as chat()
  [[nodiscard]] std::vector<std::string> models(const RemoteHooks& hooks = {});

 private:
  [[nodiscard]] RemoteAnswer call(const wire::Ask& ask, const RemoteHooks& hooks);

  RemoteOptions options_;
  std::vector<std::shared_ptr<Endpoint>> servers_;  ///< Shared by copies.
};

}  // namespace crayon
