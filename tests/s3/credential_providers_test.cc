#include "s3/credential_providers.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/s3/client_fixture.h"

namespace fmserve::s3 {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Credentials as the agents of containers and instances answer with.
std::string Json() {
  return absl::StrCat(R"({"Code": "Success", "AccessKeyId": "AKID", "SecretAccessKey": ")", kSecret,
                      R"(", "Token": ")", kToken, R"(", "Expiration": "2026-03-01T13:00:00Z"})");
}

class ProvidersTest : public ::testing::Test {
 protected:
  ProvidersTest() : folder_(absl::StrCat(::testing::TempDir(), "s3_providers_test_", getpid())) {
    std::filesystem::create_directories(folder_);
    environment_.Set("HOME", folder_);
  }
  ~ProvidersTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = folder_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << content;
    return path;
  }

  // What a provider that works must give.
  Credentials Expected() const {
    return {.access_key_id = "AKID",
            .secret_access_key = kSecret,
            .session_token = kToken,
            .expires = environment_.now() + absl::Hours(1)};
  }

  // What a provider says when it gives nothing; without secrets.
  static std::string Words(CredentialProvider& provider) {
    const auto credentials = provider.Load();
    if (credentials.ok()) return "gives credentials";
    const std::string words = credentials.status().ToString();
    EXPECT_THAT(words, AllOf(Not(HasSubstr(kSecret)), Not(HasSubstr(kToken))));
    EXPECT_THAT(provider.Describe(), AllOf(Not(HasSubstr(kSecret)), Not(HasSubstr(kToken))));
    return words;
  }

  const std::string folder_;
  FakeEnvironment environment_;
};

TEST_F(ProvidersTest, Environment) {
  const auto provider = EnvironmentCredentials(environment_.Get());
  EXPECT_THAT(Words(*provider), HasSubstr("NOT_FOUND"));
  environment_.Set("AWS_SECRET_ACCESS_KEY", kSecret);
  EXPECT_THAT(Words(*provider), HasSubstr("UNAUTHENTICATED: AWS_SECRET_ACCESS_KEY is set, "
                                          "AWS_ACCESS_KEY_ID is not"));
  environment_.Set("AWS_ACCESS_KEY_ID", "AKID");
  environment_.Set("AWS_SESSION_TOKEN", kToken);
  EXPECT_EQ(*provider->Load(),
            (Credentials{
                .access_key_id = "AKID", .secret_access_key = kSecret, .session_token = kToken}));
}

TEST_F(ProvidersTest, ProfileWithKeys) {
  const auto provider = ProfileCredentials({}, environment_.Get());
  EXPECT_THAT(Words(*provider), HasSubstr("NOT_FOUND: profile 'default' holds no keys"));
  environment_.Set("AWS_PROFILE", "prod");
  EXPECT_THAT(Words(*provider), HasSubstr("UNAUTHENTICATED: profile 'prod' is in neither"));
  Write(".aws/credentials",
        absl::StrCat("[prod]\naws_access_key_id = AKID\naws_secret_access_key = ", kSecret, "\n"));
  EXPECT_EQ(*provider->Load(),
            (Credentials{.access_key_id = "AKID", .secret_access_key = kSecret}));
  Write(".aws/credentials", absl::StrCat("[prod]\naws_secret_access_key = ", kSecret, "\n"));
  EXPECT_THAT(Words(*provider), HasSubstr("UNAUTHENTICATED: profile 'prod' has only one of"));
}

TEST_F(ProvidersTest, ProfileWithAnotherWayIsRefusedByName) {
  Write(".aws/config",
        "[default]\nregion = r\n[profile p]\ncredential_process = /bin/keys\n"
        "[profile r]\nrole_arn = a\nsource_profile = p\n");
  EXPECT_THAT(Words(*ProfileCredentials({}, environment_.Get())), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(Words(*ProfileCredentials({.profile = "p"}, environment_.Get())),
              HasSubstr("profile 'p' uses credential_process, which is not supported"));
  EXPECT_THAT(Words(*ProfileCredentials({.profile = "r"}, environment_.Get())),
              HasSubstr("profile 'r' uses source_profile, which is not supported"));
}

std::string AssumedRole() {
  return Answer(200, "Content-Type: text/xml\r\n",
                absl::StrCat("<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts\">"
                             "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKID"
                             "</AccessKeyId><SecretAccessKey>",
                             kSecret, "</SecretAccessKey><SessionToken>", kToken,
                             "</SessionToken><Expiration>2026-03-01T13:00:00Z</Expiration>"
                             "</Credentials></AssumeRoleWithWebIdentityResult>"
                             "</AssumeRoleWithWebIdentityResponse>"));
}

TEST_F(ProvidersTest, WebIdentity) {
  ScriptedServer sts([](const ServedRequest& request) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.headers.count("authorization"), 0u);  // the token is what counts
    return AssumedRole();
  });
  const auto provider = WebIdentityCredentials({.region = "eu-west-1"}, environment_.Get());
  EXPECT_THAT(Words(*provider), HasSubstr("NOT_FOUND"));
  environment_.Set("AWS_ENDPOINT_URL_STS", sts.Url());
  environment_.Set("AWS_WEB_IDENTITY_TOKEN_FILE", Write("token", "jwt/1+\n"));
  EXPECT_THAT(Words(*provider), HasSubstr("UNAUTHENTICATED: there is a web identity token but no "
                                          "role"));
  environment_.Set("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
  environment_.Set("AWS_ROLE_SESSION_NAME", "me");
  EXPECT_EQ(*provider->Load(), Expected());
  EXPECT_EQ(sts.requests().at(0).body,
            "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
            "RoleSessionName=me&Version=2011-06-15&WebIdentityToken=jwt%2F1%2B");
  Write("token", "jwt2");  // it is rotated
  EXPECT_TRUE(provider->Load().ok());
  EXPECT_THAT(sts.requests().at(1).body, HasSubstr("WebIdentityToken=jwt2"));
  environment_.Set("AWS_WEB_IDENTITY_TOKEN_FILE", folder_ + "/gone");
  EXPECT_THAT(Words(*provider), AllOf(HasSubstr("UNAUTHENTICATED"), HasSubstr("/gone")));
}

TEST_F(ProvidersTest, WebIdentityThatIsRefused) {
  std::atomic<int> status = 400;
  ScriptedServer sts([&](const ServedRequest& request) {
    return Answer(status, "",
                  absl::StrCat("<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>",
                               request.body.substr(request.body.rfind('=') + 1),
                               "</Message></Error></ErrorResponse>"));
  });
  environment_.Set("AWS_ENDPOINT_URL_STS", sts.Url());
  environment_.Set("AWS_WEB_IDENTITY_TOKEN_FILE", Write("token", "hushhush"));
  environment_.Set("AWS_ROLE_ARN", "arn:r");
  const auto provider = WebIdentityCredentials({}, environment_.Get());
  const std::string words = Words(*provider);
  EXPECT_THAT(words, AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("ExpiredTokenException"),
                           HasSubstr("arn:r"), HasSubstr("/token"), HasSubstr("trust policy"),
                           Not(HasSubstr("hushhush"))));
  status = 503;
  EXPECT_THAT(Words(*provider), HasSubstr("UNAVAILABLE"));
}

TEST_F(ProvidersTest, ProfileWithAWebIdentity) {
  ScriptedServer sts([](const ServedRequest&) { return AssumedRole(); });
  environment_.Set("AWS_ENDPOINT_URL_STS", sts.Url());
  Write(".aws/config", absl::StrCat("[default]\nrole_arn = arn:r\nweb_identity_token_file = ",
                                    Write("token", "jwt"), "\n"));
  EXPECT_EQ(*ProfileCredentials({}, environment_.Get())->Load(), Expected());
}

TEST_F(ProvidersTest, Container) {
  std::atomic<int> status = 200;
  ScriptedServer agent([&](const ServedRequest& request) {
    EXPECT_EQ(request.target, "/v2/credentials/1?x=y");
    return Answer(status, "", Json());
  });
  const auto provider = ContainerCredentials({}, environment_.Get(), agent.Url());
  EXPECT_THAT(Words(*provider), HasSubstr("NOT_FOUND"));
  environment_.Set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1?x=y");
  EXPECT_EQ(*provider->Load(), Expected());
  EXPECT_EQ(agent.requests().at(0).headers.count("authorization"), 0u);
  status = 403;
  EXPECT_THAT(Words(*provider), HasSubstr("PERMISSION_DENIED"));
  status = 500;
  EXPECT_THAT(Words(*provider), HasSubstr("UNAVAILABLE"));
}

TEST_F(ProvidersTest, ContainerWithAnAuthorizationToken) {
  ScriptedServer agent([&](const ServedRequest&) { return Answer(200, "", Json()); });
  const auto provider = ContainerCredentials({}, environment_.Get());
  environment_.Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.Url() + "/v1/credentials");
  environment_.Set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "from the variable");
  EXPECT_EQ(*provider->Load(), Expected());
  environment_.Set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Write("token", "from-the-file\n"));
  EXPECT_EQ(*provider->Load(), Expected());
  const auto requests = agent.requests();
  EXPECT_EQ(requests[0].headers.at("authorization"), "from the variable");
  EXPECT_EQ(requests[1].headers.at("authorization"), "from-the-file");
}

TEST_F(ProvidersTest, ContainerKeepsItsTokenFromStrangers) {
  const auto provider = ContainerCredentials({}, environment_.Get());
  environment_.Set("AWS_CONTAINER_AUTHORIZATION_TOKEN", kToken);
  for (const char* const uri :
       {"http://example.com/", "http://10.0.0.1/", "ftp://127.0.0.1/", "http://127.0.0.1.evil.com/",
        "http://169.254.170.2@evil.com/", "http://localhost.evil/", "evil"}) {
    environment_.Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri);
    EXPECT_THAT(Words(*provider), HasSubstr("UNAUTHENTICATED")) << uri;
  }
}

// An instance's metadata service; `role` empty: it has none.
std::string Metadata(const ServedRequest& request, const std::string& role) {
  if (request.method == "PUT") {
    return request.target == "/latest/api/token" &&
                   request.headers.at("x-aws-ec2-metadata-token-ttl-seconds") == "21600"
               ? Answer(200, "", "session-1")
               : Answer(400);
  }
  const std::string roles = "/latest/meta-data/iam/security-credentials/";
  if (request.headers.count("x-aws-ec2-metadata-token") == 0 ||
      request.headers.at("x-aws-ec2-metadata-token") != "session-1") {
    return Answer(401);
  }
  if (role.empty()) return Answer(404);
  if (request.target == roles) return Answer(200, "", role + "\n");
  return request.target == roles + role ? Answer(200, "", Json()) : Answer(404);
}

TEST_F(ProvidersTest, InstanceWithARole) {
  ScriptedServer service([](const ServedRequest& request) { return Metadata(request, "my-role"); });
  const auto provider = InstanceCredentials(environment_.Get());
  EXPECT_THAT(Words(*provider), HasSubstr("NOT_FOUND: AWS_EC2_METADATA_DISABLED"));
  EXPECT_EQ(service.connections(), 0);
  environment_.Set("AWS_EC2_METADATA_DISABLED", "");
  environment_.Set("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.Url() + "/");
  EXPECT_EQ(*provider->Load(), Expected());
}

TEST_F(ProvidersTest, InstanceWithoutARole) {
  ScriptedServer service([](const ServedRequest& request) { return Metadata(request, ""); });
  environment_.Set("AWS_EC2_METADATA_DISABLED", "");
  environment_.Set("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.Url());
  EXPECT_THAT(Words(*InstanceCredentials(environment_.Get())),
              HasSubstr("NOT_FOUND: HTTP 404: the instance has no role"));
}

TEST_F(ProvidersTest, NoInstanceAtAll) {
  environment_.Set("AWS_EC2_METADATA_DISABLED", "");
  environment_.Set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
  EXPECT_THAT(Words(*InstanceCredentials(environment_.Get())),
              AllOf(HasSubstr("NOT_FOUND"), HasSubstr("hop limit")));
}

TEST_F(ProvidersTest, AnswersThatMakeNoSense) {
  for (const char* const json :
       {"", "null", "[]", "{", R"({"AccessKeyId": 1})", R"({"Code": "Failed", "Message": "why"})",
        R"({"AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "soon"})"}) {
    EXPECT_TRUE(absl::IsInternal(ParseCredentialsJson(json).status())) << json;
  }
  EXPECT_THAT(MessageOf(ParseCredentialsJson(R"({"Code": "Failed", "Message": "why"})").status()),
              HasSubstr("Failed why"));
}

TEST_F(ProvidersTest, CancelEndsWhatIsUnderway) {
  ScriptedServer silent(ScriptedServer::Handler(
      [](const ServedRequest&, ScriptedServer::Reply& reply) { reply.WaitForHangUp(); }));
  environment_.Set("AWS_EC2_METADATA_DISABLED", "");
  environment_.Set("AWS_EC2_METADATA_SERVICE_ENDPOINT", silent.Url());
  const auto provider = InstanceCredentials(environment_.Get());
  absl::Status status;
  std::thread loading([&] { status = provider->Load().status(); });
  while (silent.requests().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  provider->Cancel();
  loading.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

// Who wins when several are set up.
TEST_F(ProvidersTest, AreAskedInOrder) {
  ScriptedServer sts([](const ServedRequest&) { return AssumedRole(); });
  environment_.Set("AWS_ENDPOINT_URL_STS", sts.Url());
  environment_.Set("AWS_WEB_IDENTITY_TOKEN_FILE", Write("token", "jwt"));
  environment_.Set("AWS_ROLE_ARN", "arn:r");
  const auto source = [&](const CredentialOptions& options) {
    const auto chain = DefaultCredentialChain(options, environment_.Get());
    const auto credentials = chain->Get();
    return credentials.ok() ? chain->Describe() : credentials.status().ToString();
  };
  EXPECT_EQ(source({}), "credentials from the web identity");
  Write(".aws/credentials",
        "[default]\naws_access_key_id = A\naws_secret_access_key = b\n"
        "[named]\naws_access_key_id = B\naws_secret_access_key = c\n");
  EXPECT_EQ(source({}), "credentials from the profile of the shared files");
  environment_.Set("AWS_ACCESS_KEY_ID", "E");
  environment_.Set("AWS_SECRET_ACCESS_KEY", "e");
  EXPECT_EQ(source({}), "credentials from the environment variables");
  EXPECT_EQ(source({.profile = "named"}), "credentials from the profile 'named'");
}

}  // namespace
}  // namespace fmserve::s3
