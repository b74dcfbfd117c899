#include "tools/s3_options.h"

#include <CLI/CLI.hpp>
#include <string>

namespace fmserve::tools {

void AddS3Options(CLI::App& command, s3::ClientOptions& options) {
  const std::string group = "Stores in S3 (else: environment and profile, as for the AWS tools)";
  command.add_option("--endpoint-url", options.endpoint_url, "Server that speaks S3, if not AWS")
      ->type_name("URL")
      ->group(group);
  command.add_option("--region", options.region, "Region")->type_name("NAME")->group(group);
  command.add_option("--ca-file", options.ca_file, "Certificates to trust, in PEM")
      ->type_name("FILE")
      ->group(group);
  command.add_option("--profile", options.profile, "Profile of ~/.aws to take credentials from")
      ->type_name("NAME")
      ->group(group);
  command
      .add_flag_callback(
          "--path-style", [&options] { options.addressing = s3::Addressing::kPath; },
          "The bucket stands in the path of URLs; it does anyway with --endpoint-url")
      ->group(group);
}

}  // namespace fmserve::tools
