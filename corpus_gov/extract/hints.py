"""What names of classes and lines of a page say about the part of it that they stand on.

The words were chosen by looking at pages of one half of the gold sets; bench/RESULTS.md has the figures of both halves.
"""

import re
from enum import IntEnum
from typing import Final

from corpus_gov.kernels import blocks


class Hint(IntEnum):
    """Bits of `blocks.Elements.hints`."""

    BODY = 0
    """The text of an article."""
    NAVIGATION = 1
    FOOT = 2
    SIDE = 3
    RELATED = 4
    COMMENT = 5
    SHARE = 6
    ADVERT = 7
    DIALOG = 8
    BYLINE = 9
    HIDDEN = 10
    CAPTION = 11
    GUTTER = 12
    """Numbers of lines beside code."""
    POST = 13
    """An article with its head and foot."""


_WORDS: Final = {
    Hint.BODY: (
        "articlebody,article body,article content,articlecontent,article text,articletext,article detail,entry content"
        ",entrycontent,post content,postcontent,post body,postbody,post text,story body,storybody,story content"
        ",story text,storytext,news content,newscontent,news text,newstext,news body,news txt,body text,bodytext"
        ",body copy,bodycopy,text content,textcontent,content text,contenttext,content body,contentbody,content area"
        ",contentarea,content detail,detail content,trs editor,endtext,artibody,artical,art content,arti content"
        ",rich media content,rich text,richtext,rm txt con,single content,blog content,blogcontent,read content"
        ",zhengwen"
        ",articlecon,text con, neirong ,maincontent,field name body,theme content,markdown body,ucapcontent,text main"
    ),
    Hint.NAVIGATION: (
        " nav , navi, navbar,navigation, menu,breadcrumb, crumb, pager ,pagination, paging ,page nav,pagenav, sitemap"
        ",skip link, toolbar, tabs , subnav, topnav, mbx , weizhi , dangqian ,submenu, tool bar, site header, masthead"
        ", top bar,topbar, jump link, pagelist, prev , prevnext,nextprev, next prev,prev next, shangxia"
    ),
    Hint.FOOT: " footer,foot ,colophon,copyright, copy right, beian, icp , banquan, disclaimer, legal, bottom nav",
    Hint.SIDE: (
        "sidebar,side bar, side , rail ,rightcol,right col,leftcol,left col, right side,rightside,left side,leftside"
        ", widget, aside ,secondary, rightbar, leftbar, right content"
    ),
    Hint.RELATED: (
        " related, relate , recommend, recirc, read more, readmore,more news,morenews, hot news,hotnews, hot list"
        ",hotlist, rank, popular, trending,most read,mostread,most pop,mostpop,you may,youmay,also like,alsolike"
        ", see also,seealso,latest, tuijian, xiangguan, xgyd, relnews, more from,morefrom,suggest, outbrain,taboola"
        ",zergnet, more stories, similar, next article, read next,readnext, jptt, tag list,taglist, tags ,teaser"
        ",keywords, tag cloud, post tags, entry utility, filed under, cat links,recent posts"
        ",guess,youlike,interest list,further reading, topics "
    ),
    Hint.COMMENT: (
        " comment,disqus, reply, replies, respond, pinglun, gentie, tiepost, comments, discussion, guestbook, liuyan"
        ",user review,message board"
    ),
    Hint.SHARE: (
        " share, sharing,sharebar,sharetool,share , social, bdshare, jiathis,addthis,sharethis, sns , follow , twitter "
        ", facebook ,qrcode, qr code, erweima,subscribe,newsletter, signup, sign up, weixin, weibo, like , fblike"
        ", likes , digg, bookmark, print , email , mailto, post tools,posttools,article tools,articletools"
        ", app download, zan, favorite, donate, rating, vote ,fontsize,font size, fenxiang"
    ),
    Hint.ADVERT: (
        " ad , ads , adv , advert, sponsor, promo, banner , adsense,adbox, adwrap, ad slot, adslot, gg , guanggao, dfp"
        ", google , ad container,adcontainer,commercial, marketing, affiliate, paid , promotion, call to action, cta "
    ),
    Hint.DIALOG: (
        " modal,popup,pop up,cookie,consent,overlay, login, log in, signin, sign in, register,lightbox,tooltip,dropdown"
        ",gdpr,paywall, alert , search, toast, off canvas,offcanvas, notification"
    ),
    Hint.BYLINE: (
        " byline, author, dateline, timestamp, time , date , pubdate, pub date,publish, source , laiyuan, editor "
        ", zebian, meta , post meta,entry meta,article meta,article info,articleinfo,post info,postinfo, info , credit"
        ", posted on, post date, entry date, metadata, art info,articletitle info, about author, bio , biography"
    ),
    Hint.HIDDEN: (
        " hidden , hide , sr only,screen reader,visually hidden, invisible , noprint, no print,visuallyhidden"
    ),
    Hint.CAPTION: " caption,figcaption,wp caption,photo credit,image credit,gallery,slideshow, carousel,swiper",
    Hint.GUTTER: " gutter, line numbers,linenumber,lineno, linenos",
    Hint.POST: " hentry, type post ,status publish",
}

HINTS: Final = blocks.compiled({int(bit): words for bit, words in _WORDS.items()})
"""A space stands for the beginning, the end or a divider of a name."""

_RELATED_ZH: Final = (
    r"(?:相关|相關|推荐|推薦|延伸|扩展|更多|热门|熱門|精彩|精选|热点|最新|编辑|今日|频道|独家|往期|猜你|猜您|你可能|您可能|大家都在|为您|为你|网友)[的感也会]*"
    r"(?:稿件|阅读|閱讀|新闻|新聞|链接|報道|报道|文章|推荐|推薦|推送|专题|内容|资讯|视频|搜索|标签|喜欢|兴趣|想看|看|排行|评论|列表|精选|导读|回顾|图集|热点|产品|问题|下载)+"
    r"|(?:网友|最新|热门|发表|用户|全部|文章|我要|精彩)?(?:评论|跟帖|留言)(?:列表|区|\(\d*\))?"
    r"|(?:点击|阅读|热度|收视|热文|新闻|周|日|月)(?:排行|榜|排名|TOP榜)榜?|猜你喜欢|热门|免责声明|版权声明|作者简介"
)
_RELATED_EN: Final = (
    r"related(?: (?:articles?|stories|story|posts?|topics|news|content|links?|reading|coverage|videos?))?"
    r"|(?:read|see|learn) (?:more|next|also)(?: (?:on|about|at|from)\b.{0,40})?"
    r"|more (?:from|on|in|about|stories|news|articles)\b.{0,50}|also (?:read|on)\b.{0,30}"
    r"|(?:you|we) (?:may|might|think).{0,20}(?:like|interested.{0,20}|enjoy)"
    r"|recommended(?: (?:for you|reading|stories|articles|posts))?|most (?:read|popular|viewed|shared|recent)\b.{0,20}"
    r"|trending(?: now)?|popular(?: (?:posts|stories|now|articles))?"
    r"|(?:latest|recent|top|other) (?:news|stories|posts|articles|comments|headlines|videos)"
    r"|(?:leave a|post a|write a|add a|add your) (?:reply|comment)|\d* ?comments?(?: ?\(\d+\))?"
    r"|join the (?:conversation|discussion)|about the authors?"
)
_RELATED_OTHER: Final = (
    r"mehr (?:zum thema|dazu|zu\b.{0,30}|infos?\b.{0,30}|artikel.{0,30}|aus\b.{0,40})|noch mehr\b.{0,30}"
    r"|das (?:könnte|dürfte) (?:sie|dich|ihnen|dir|euch)\b.{0,40}|(?:auch|ebenfalls) interessant"
    r"|(?:lesen|lies) (?:sie )?(?:auch|mehr|weiter)\b.{0,30}|ähnliche\b.{0,30}"
    r"|weitere (?:artikel|beiträge|themen|meldungen|nachrichten|infos?|informationen|news|links?)\b.{0,30}"
    r"|kommentare?(?: ?\(\d+\))?|\d+ kommentare?|verwandte (?:artikel|themen|beiträge)|passend zum thema"
    r"|über (?:den autor|die autorin|den verfasser)|entdecke weitere\b.{0,30}|meldungen aus\b.{0,30}"
    r"|schreibe? (?:einen|uns einen) kommentar|hinterlasse.{0,40}"
    r"|(?:à )?lire (?:aussi|également)\b.{0,30}|articles? (?:liés|similaires|associés)|sur le même (?:sujet|thème)"
    r"|commentaires?|voir aussi|temas relacionados|(?:noticias|artículos|notas) relacionad[ao]s"
    r"|(?:lea|lee) (?:también|además)|te (?:puede|podría) interesar.{0,20}|comentarios?"
    r"|leggi anche|articoli correlati|potrebbe(?:ro)? interessarti.{0,20}|commenti|leia (?:também|mais)"
)
_OPEN, _CLOSE = r"[\s【\[(（|»>·•#*+-]*", r"[\s】\])）|:：»>…\\.!]*"

SECTION: Final = re.compile(f"{_OPEN}(?:{_RELATED_ZH}|(?i:{_RELATED_EN}|{_RELATED_OTHER})){_CLOSE}")
"""A heading behind which something else than the text begins; of a whole block."""

ASIDE_LINE: Final = re.compile(
    r"[\s【\[(（|>*·•-]*(?:"
    r"(?:责任编辑|責任編輯|责编|编辑|值班编委|责任校对|校对|审核|监制|文章来源|本文来源|信息来源|新闻来源|资料来源|稿源|来源|來源|出处"
    r"|发布时间|发布日期|发稿时间|更新时间|浏览(?:次数|量)?|阅读(?:量|次数|数)?|点击(?:次数|数|量)?|字号|字体|标签|关键词|关键字|Tags?"
    r"|本文标签|文章标签|本文关键词|本文地址|原文地址|原文链接|转载请注明|[上下]一[篇页条章]|[前后]一篇)\s*[:：/】]"
    r"|[上下]一[篇页条章]|返回(?:顶部|首页|列表|搜狐)|分享(?:到|至|给|按钮)|扫(?:一扫|描).{0,20}(?:二维码|关注|微信|下载)"
    r"|(?:打印|关闭|收藏|返回)(?:本页|窗口|本文|此页)|长按.{0,12}(?:二维码|关注)|点击(?:进入|查看|下载|关注)"
    r"|用微信扫|微信扫|微博分享|欢迎关注|关注(?:我们|公众号|微信)|免责声明|版权声明|特别声明|郑重声明|声明[:：]|版权所有"
    r"|未经授权|未经许可|违者必究|本文系?(?:转载|授权)|[(（]?(?:责任)?编辑[:： ]"
    r"|[京沪粤浙苏鲁川渝津冀豫鄂湘皖闽赣桂琼贵云陕甘青宁新蒙辽吉黑晋藏]ICP[备证]"
    r")"
)
"""A line that tells of the page, not of its matter: Chinese forms, at the beginning of a block."""

_DATE: Final = r"\d{4}[-/年.]\s?\d{1,2}[-/月.]\s?\d{1,2}日?(?:\s|$)|\d{1,2}[./]\s?\d{1,2}[./]\s?(?:19|20)\d{2}\b"
ASIDE_SHORT: Final = re.compile(
    r"(?i)[\s|>*·•©-]*(?:(?:posted (?:on|by|in|at)|published(?: (?:on|by|at|in))?|updated"
    r"|last (?:updated|modified|edited)|filed (?:under|in)"
    r"|tags?|tagged(?: with)?|categor(?:y|ies)|share (?:this|on)|follow (?:us|me|@)|advertisement"
    r"|sponsored|copyright|©|all rights reserved|read more|continue reading|click here to|sign up|subscribe|print this"
    r"|e-?mail this|leave a (?:reply|comment)|(?:image|photo|picture) (?:caption|credit|source|by|:)|jump to|skip to"
    r"|kategorien?|schlagw(?:orte|örter)|veröffentlicht|geschrieben von|zuletzt aktualisiert"
    r"|dieser (?:eintrag|beitrag) wurde|foto:|bild:|quelle:|stand:|von der redaktion|drucken|zum seitenanfang|nach oben"
    r"|(?:diese[nr]? )?(?:artikel|beitrag|seite) (?:teilen|bewerten|drucken|empfehlen|weiterempfehlen)|teilen sie"
    rf"|publié le|mis à jour|crédit|photo:)(?!\w)|©|(?:teilen|kommentieren|topics|newsletter)\W*$|{_DATE})"
)
"""The same in other languages, and dates: of short blocks that end as no sentence does."""
